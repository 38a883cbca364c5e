package export_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/export"
)

// writePart returns the stored bytes of one part and its description.
func writePart(t testing.TB, lines ...[]byte) ([]byte, export.PartStat) {
	t.Helper()
	var buf bytes.Buffer
	p := export.NewPartWriter(&buf)
	for _, line := range lines {
		if n, err := p.Write(line); n != len(line) || err != nil {
			t.Fatalf("Write: %d, %v; want %d", n, err, len(line))
		}
	}
	stat, err := p.Close()
	if err != nil {
		t.Fatalf("Close: %v", err)
	}
	return buf.Bytes(), stat
}

// observations looks like what upstreams send: n lines, much alike.
func observations(n int) []byte {
	var b bytes.Buffer
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		fmt.Fprintf(&b, `{"resourceType":"Observation","id":"%016x","meta":{"versionId":"1","lastUpdated":"2026-03-%02dT10:%02d:00.000Z"},`+
			`"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"%d-%d"}]},"subject":{"reference":"Patient/%d"},`+
			`"valueQuantity":{"value":%d.%02d,"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"}}`+"\n",
			random.Uint64(), 1+i%28, i%60, random.IntN(90000), random.IntN(10), i/20, random.IntN(300), random.IntN(100))
	}
	return b.Bytes()
}

// noise does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return append(bytes.ReplaceAll(b, []byte("\n"), []byte(" ")), '\n')
}

func TestPartIsAStandaloneGzip(t *testing.T) {
	for name, raw := range map[string][]byte{
		"empty":        nil,
		"one line":     []byte("{}\n"),
		"empty lines":  []byte("\n\n\n"),
		"many lines":   observations(3000),
		"noise":        noise(200_000),
		"one block":    append(bytes.Repeat([]byte("x"), 64<<10-1), '\n'),
		"block plus 1": append(bytes.Repeat([]byte("x"), 64<<10), '\n'),
		"long runs":    append(bytes.Repeat([]byte("y"), 5<<20), '\n'),
	} {
		t.Run(name, func(t *testing.T) {
			stored, stat := writePart(t, raw)
			sum := sha256.Sum256(stored)
			want := export.PartStat{
				Lines: int64(bytes.Count(raw, []byte("\n"))), Raw: int64(len(raw)), Stored: int64(len(stored)),
				PayloadEnd: int64(len(stored) - 10), CRC32: crc32.ChecksumIEEE(raw), SHA256: hex.EncodeToString(sum[:]),
			}
			if d := cmp.Diff(want, stat); d != "" {
				t.Errorf("stat (-want +got):\n%s", d)
			}
			if d := cmp.Diff([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, stored[:10]); d != "" {
				t.Errorf("header (-want +got):\n%s", d)
			}
			if border := stored[:stat.PayloadEnd]; !bytes.HasSuffix(border, []byte{0, 0, 0xff, 0xff}) {
				t.Errorf("the payload ends with % x, want a sync flush", border[len(border)-4:])
			}
			if got := gunzipOne(t, stored); !bytes.Equal(got, raw) {
				t.Errorf("inflated %d bytes differ from the %d written", len(got), len(raw))
			}
		})
	}
}

// gunzipOne inflates the one member that b must be, with the standard library.
func gunzipOne(t testing.TB, b []byte) []byte {
	t.Helper()
	src := bytes.NewReader(b)
	z, err := stdgzip.NewReader(src)
	if err != nil {
		t.Fatalf("gzip: %v", err)
	}
	z.Multistream(false)
	got, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("gzip: %v", err)
	}
	if src.Len() > 0 {
		t.Fatalf("%d bytes after the first member", src.Len())
	}
	return got
}

// Writers are used again; a part must not refer to the one before it.
func TestPartsDoNotDependOnEachOther(t *testing.T) {
	raw := observations(500)
	first, want := writePart(t, raw)
	for i := range 20 {
		got, stat := writePart(t, raw)
		if stat != want || !bytes.Equal(got, first) {
			t.Fatalf("part %d of the same lines differs", i)
		}
		if !bytes.Equal(gunzipOne(t, got), raw) {
			t.Fatalf("part %d does not inflate alone", i)
		}
	}
}

func TestPartWriterCounts(t *testing.T) {
	var buf bytes.Buffer
	p := export.NewPartWriter(&buf)
	var raw int64
	for i := range int64(300) {
		line := noise(1000 + int(i))
		if p.Lines() != i || p.Raw() != raw || p.Stored() != int64(buf.Len()) {
			t.Fatalf("line %d: Lines %d, Raw %d, Stored %d of %d", i, p.Lines(), p.Raw(), p.Stored(), buf.Len())
		}
		if behind := p.Raw() - p.Stored(); behind > 64<<10+int64(len(line)) {
			t.Fatalf("line %d: %d bytes on their way", i, behind)
		}
		for _, piece := range [][]byte{line[:10], nil, line[10:]} { // pieces of lines are fine
			if _, err := p.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		raw += int64(len(line))
	}
	first, err := p.Close()
	if err != nil {
		t.Fatalf("Close: %v", err)
	}
	if second, err := p.Close(); second != first || err != nil {
		t.Errorf("second Close: %v, %v; want %v", second, err, first)
	}
	if _, err := p.Write([]byte("{}\n")); err == nil {
		t.Error("Write after Close: no error")
	}
}

func TestPartWriterErrors(t *testing.T) {
	t.Run("half a line", func(t *testing.T) {
		p := export.NewPartWriter(io.Discard)
		io.WriteString(p, "{}\n{")
		for range 2 {
			if _, err := p.Close(); err == nil {
				t.Error("Close: no error")
			}
		}
	})
	errFull := errors.New("disk full")
	for _, room := range []int{0, 5, 10, 1000, 100_000} {
		t.Run(fmt.Sprintf("room for %d bytes", room), func(t *testing.T) {
			p := export.NewPartWriter(&limited{room, errFull})
			p.Write(noise(300_000))
			if _, err := p.Close(); !errors.Is(err, errFull) {
				t.Errorf("Close: error %v, want %v", err, errFull)
			}
			if _, err := p.Write([]byte("{}\n")); err == nil {
				t.Error("Write: no error")
			}
		})
	}
	if stored, _ := writePart(t, []byte("{}\n")); string(gunzipOne(t, stored)) != "{}\n" {
		t.Error("a failed part spoils the next one")
	}
}

// limited has room for so many bytes.
type limited struct {
	room int
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	if len(b) > l.room {
		n := l.room
		l.room = 0
		return n, l.err
	}
	l.room -= len(b)
	return len(b), nil
}

func BenchmarkPartWriter(b *testing.B) {
	raw := observations(10_000)
	lines := bytes.SplitAfter(raw, []byte("\n"))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		p := export.NewPartWriter(io.Discard)
		for _, line := range lines {
			if _, err := p.Write(line); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
