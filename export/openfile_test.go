package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"sluice/export"
	"sluice/storage"
	"sluice/storage/memstore"
)

// putFile stores each raw part and returns the virtual file of all.
func putFile(t testing.TB, s storage.Store, parts ...[]byte) *export.File {
	t.Helper()
	f := &export.File{Format: export.Format, Name: "Observation.0001.ndjson", Type: "Observation"}
	for i, raw := range parts {
		body, stat := writePart(t, raw)
		key := export.PartKey("job", "Observation", export.PlanChunk(int64(i)), 0, "attempt", 0)
		if err := storage.Put(context.Background(), s, key, body, storage.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		f.Extents = append(f.Extents, export.Extent{Key: key, PartStat: stat})
	}
	return f
}

func readFile(s storage.Store, f *export.File, gzip bool, offset, length int64) ([]byte, error) {
	r, err := export.OpenFile(context.Background(), s, f, gzip, offset, length)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

func sizeOf(f *export.File, gzip bool) int64 {
	if gzip {
		return f.GzipSize()
	}
	return f.IdentitySize()
}

// wholes returns both codings of the file, checked against what it is made of.
func wholes(t testing.TB, s storage.Store, f *export.File, parts ...[]byte) map[bool][]byte {
	t.Helper()
	raw := bytes.Join(parts, nil)
	zipped, err := readFile(s, f, true, 0, -1)
	if err != nil {
		t.Fatalf("read as gzip: %v", err)
	}
	if int64(len(zipped)) != f.GzipSize() {
		t.Fatalf("%d bytes of gzip, GzipSize %d", len(zipped), f.GzipSize())
	}
	if !bytes.Equal(gunzipOne(t, zipped), raw) {
		t.Fatal("the gzip holds other lines")
	}
	plain, err := readFile(s, f, false, 0, -1)
	if err != nil {
		t.Fatalf("read as identity: %v", err)
	}
	if int64(len(plain)) != f.IdentitySize() || !bytes.Equal(plain, raw) {
		t.Fatalf("%d bytes of identity, IdentitySize %d, want %d bytes", len(plain), f.IdentitySize(), len(raw))
	}
	return map[bool][]byte{true: zipped, false: plain}
}

func drawPart(t *rapid.T, i int) []byte {
	switch rapid.IntRange(0, 5).Draw(t, fmt.Sprint("kind", i)) {
	case 0:
		return nil
	case 1:
		return []byte("\n")
	case 2:
		return noise(rapid.IntRange(0, 200_000).Draw(t, fmt.Sprint("size", i)))
	case 3:
		return append(bytes.Repeat([]byte("x"), rapid.IntRange(0, 200_000).Draw(t, fmt.Sprint("run", i))), '\n')
	}
	return observations(rapid.IntRange(1, 300).Draw(t, fmt.Sprint("lines", i)))
}

func TestAnyRangeOfAnyPartsIsASliceOfTheWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := memstore.New()
		var parts [][]byte
		for i := range rapid.IntRange(0, 6).Draw(rt, "parts") {
			parts = append(parts, drawPart(rt, i))
		}
		f := putFile(t, s, parts...)
		whole := wholes(t, s, f, parts...)
		for i := range 12 {
			gzip := rapid.Bool().Draw(rt, fmt.Sprint("gzip", i))
			size := sizeOf(f, gzip)
			offset := drawOffset(rt, f, gzip, fmt.Sprint("offset", i))
			length := rapid.Int64Range(-1, size-offset).Draw(rt, fmt.Sprint("length", i))
			want := whole[gzip][offset:]
			if length >= 0 {
				want = want[:length]
			}
			got, err := readFile(s, f, gzip, offset, length)
			if err != nil {
				rt.Fatalf("gzip %t, %d bytes from %d: %v", gzip, length, offset, err)
			}
			if !bytes.Equal(got, want) {
				rt.Fatalf("gzip %t, %d bytes from %d of %d: other bytes", gzip, length, offset, size)
			}
		}
	})
}

// drawOffset likes the borders between parts.
func drawOffset(t *rapid.T, f *export.File, gzip bool, label string) int64 {
	size := sizeOf(f, gzip)
	if len(f.Extents) == 0 || rapid.Bool().Draw(t, label+" anywhere") {
		return rapid.Int64Range(0, size).Draw(t, label)
	}
	part := &export.File{Extents: f.Extents[:rapid.IntRange(0, len(f.Extents)).Draw(t, label+" part")]}
	border := part.IdentitySize()
	if gzip {
		border = part.GzipSize() - 10
	}
	return min(max(border+rapid.Int64Range(-2, 2).Draw(t, label+" near"), 0), size)
}

func TestAnyCutContinues(t *testing.T) {
	s := memstore.New()
	parts := [][]byte{[]byte("{}\n"), nil, []byte("{\"a\":1}\n{\"b\":2}\n")}
	f := putFile(t, s, parts...)
	for gzip, whole := range wholes(t, s, f, parts...) {
		for cut := range int64(len(whole) + 1) {
			head, err1 := readFile(s, f, gzip, 0, cut)
			tail, err2 := readFile(s, f, gzip, cut, -1)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatalf("gzip %t, cut at %d: %v", gzip, cut, err)
			}
			if !bytes.Equal(append(head, tail...), whole) {
				t.Errorf("gzip %t, cut at %d: other bytes", gzip, cut)
			}
		}
	}
}

func TestReaderKeepsTheReaderContract(t *testing.T) {
	s := memstore.New()
	parts := [][]byte{observations(20), []byte("\n"), noise(2000), observations(3)}
	f := putFile(t, s, parts...)
	for gzip, whole := range wholes(t, s, f, parts...) {
		r, err := export.OpenFile(t.Context(), s, f, gzip, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, whole); err != nil {
			t.Errorf("gzip %t: %v", gzip, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// A file of one part is that part, byte for byte.
func TestFileOfOnePart(t *testing.T) {
	s := memstore.New()
	f := putFile(t, s, observations(100))
	stored, err := storage.ReadAll(t.Context(), s, f.Extents[0].Key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readFile(s, f, true, 0, -1)
	if err != nil || !bytes.Equal(got, stored) {
		t.Errorf("%d bytes, %v; want the %d stored", len(got), err, len(stored))
	}
}

func TestRangeOutsideTheFile(t *testing.T) {
	s := memstore.New()
	f := putFile(t, s, []byte("{}\n"), []byte("{}\n"))
	for _, gzip := range []bool{false, true} {
		size := sizeOf(f, gzip)
		for _, tc := range [][2]int64{{-1, 1}, {size + 1, -1}, {size + 1, 0}, {0, size + 1}, {size, 1}, {1, size}, {1 << 62, 1 << 62}, {1, 1<<63 - 1}} {
			if _, err := readFile(s, f, gzip, tc[0], tc[1]); !errors.Is(err, export.ErrRange) {
				t.Errorf("gzip %t, %d bytes from %d: error %v, want ErrRange", gzip, tc[1], tc[0], err)
			}
		}
		if got, err := readFile(s, f, gzip, size, -1); len(got) > 0 || err != nil {
			t.Errorf("gzip %t, from the end: %q, %v", gzip, got, err)
		}
	}
}

func TestETag(t *testing.T) {
	s := memstore.New()
	f := putFile(t, s, []byte("1\n"), []byte("2\n"))
	same := putFile(t, memstore.New(), []byte("1\n"), []byte("2\n"))
	same.Name, same.Extents[0].Key = "other.ndjson", "other/key"
	seen := map[string]string{}
	for name, f := range map[string]*export.File{
		"file": f, "order": putFile(t, s, []byte("2\n"), []byte("1\n")), "shorter": putFile(t, s, []byte("1\n")),
		"one part": putFile(t, s, []byte("1\n2\n")), "empty": {}, "other": putFile(t, s, []byte("1\n"), []byte("3\n")),
	} {
		for _, gzip := range []bool{false, true} {
			tag := f.ETag(gzip)
			if other, ok := seen[tag]; ok {
				t.Errorf("%s, gzip %t, has the tag of %s", name, gzip, other)
			}
			if tag[0] != '"' || tag[len(tag)-1] != '"' || len(tag) < 20 {
				t.Errorf("%s, gzip %t: %s is no strong entity tag", name, gzip, tag)
			}
			seen[tag] = name
		}
	}
	for _, gzip := range []bool{false, true} {
		if got, want := same.ETag(gzip), f.ETag(gzip); got != want {
			t.Errorf("gzip %t: tag %s of the same parts, want %s", gzip, got, want)
		}
	}
}

func TestManyReadersAtOnce(t *testing.T) {
	s := memstore.New()
	parts := [][]byte{observations(500), noise(100_000), observations(200), []byte("\n")}
	f := putFile(t, s, parts...)
	whole := wholes(t, s, f, parts...)
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(n)))
			for range 20 {
				gzip := random.IntN(2) == 0
				offset := random.Int64N(sizeOf(f, gzip) + 1)
				length := random.Int64N(sizeOf(f, gzip) - offset + 1)
				got, err := readFile(s, f, gzip, offset, length)
				if err != nil || !bytes.Equal(got, whole[gzip][offset:offset+length]) {
					t.Errorf("gzip %t, %d bytes from %d: %v, or other bytes", gzip, length, offset, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkOpenFile(b *testing.B) {
	s := memstore.New()
	f := putFile(b, s, observations(20_000), observations(20_001), observations(20_002))
	for _, gzip := range []bool{true, false} {
		b.Run(fmt.Sprintf("gzip=%t", gzip), func(b *testing.B) {
			b.SetBytes(sizeOf(f, gzip))
			b.ReportAllocs()
			buf := make([]byte, 32<<10)
			for b.Loop() {
				r, err := export.OpenFile(b.Context(), s, f, gzip, 0, -1)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}
