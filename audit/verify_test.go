package audit_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/audit"
)

// written makes a log of eight events (log.opened first, log.closed last) and returns its lines, each with its end.
func written(t *testing.T, dir string) (lines [][]byte, head audit.Head) {
	t.Helper()
	l := open(t, dir)
	for range 6 {
		write(t, l, audit.Event{Type: audit.DownloadEnded, Outcome: audit.OK, Client: "lab", Detail: "file 1", Fields: map[string]any{"bytes": 12345}})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(segment(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	lines = slices.Collect(bytes.Lines(body))
	if len(lines) != 8 {
		t.Fatalf("got %d lines, want 8", len(lines))
	}
	return lines, l.Head()
}

func TestVerifyNamesTheFirstBadSequence(t *testing.T) {
	edit := func(line []byte, old, new string) []byte {
		out := bytes.Replace(line, []byte(old), []byte(new), 1)
		if bytes.Equal(out, line) {
			t.Fatalf("%q is not in the line", old)
		}
		return out
	}
	for _, tc := range []struct {
		name   string
		change func(l [][]byte) [][]byte
		want   int64 // 0: whole
	}{
		{"nothing", func(l [][]byte) [][]byte { return l }, 0},
		{"a value changed", func(l [][]byte) [][]byte { l[3] = edit(l[3], "12345", "12344"); return l }, 4},
		{"a value of the first line changed", func(l [][]byte) [][]byte { l[0] = edit(l[0], `"ok"`, `"no"`); return l }, 1},
		{"a link changed", func(l [][]byte) [][]byte { l[3] = edit(l[3], `"prev":"`, `"prev":"0`); return l }, 4},
		{"a link of the right length changed", func(l [][]byte) [][]byte {
			i := bytes.Index(l[3], []byte(`"prev":"`)) + 8
			l[3] = bytes.Clone(l[3])
			l[3][i] ^= 1
			return l
		}, 4},
		{"no JSON", func(l [][]byte) [][]byte { l[3] = []byte("hello\n"); return l }, 4},
		{"an unknown name", func(l [][]byte) [][]byte { l[3] = edit(l[3], `"client"`, `"cl1ent"`); return l }, 4},
		{"a line removed", func(l [][]byte) [][]byte { return slices.Delete(l, 3, 4) }, 4},
		{"the first line removed", func(l [][]byte) [][]byte { return l[1:] }, 1},
		{"a line doubled", func(l [][]byte) [][]byte { return slices.Insert(l, 3, l[3]) }, 5},
		{"two lines swapped", func(l [][]byte) [][]byte { l[3], l[4] = l[4], l[3]; return l }, 4},
		{"a line removed and the next renumbered", func(l [][]byte) [][]byte {
			l[3] = edit(l[4], `"seq":5`, `"seq":4`)
			return slices.Delete(l, 4, 5)
		}, 4},
		{"a space added at the end", func(l [][]byte) [][]byte { l[3] = edit(l[3], "}\n", "} \n"); return l }, 4},
		{"an empty line", func(l [][]byte) [][]byte { return slices.Insert(l, 3, []byte("\n")) }, 4},
		{"zeros", func(l [][]byte) [][]byte { l[3] = make([]byte, len(l[3])); return l }, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			lines, _ := written(t, dir)
			if err := os.WriteFile(segment(t, dir), bytes.Join(tc.change(lines), nil), 0o600); err != nil {
				t.Fatal(err)
			}
			check(t, audit.Verify(dir), tc.want)
		})
	}
}

func check(t *testing.T, err error, want int64) {
	t.Helper()
	var broken *audit.ChainError
	switch {
	case want == 0 && err != nil:
		t.Errorf("got %v, want a whole log", err)
	case want == 0:
	case !errors.As(err, &broken):
		t.Errorf("got %v, want a ChainError", err)
	case broken.Seq != want:
		t.Errorf("got %v, want sequence %d", err, want)
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	dir := t.TempDir()
	lines, head := written(t, dir)
	path := segment(t, dir)
	body := bytes.Join(lines, nil)
	start := 0
	for n, line := range lines {
		for i := range line {
			pos := start + i
			body[pos] ^= 1 << (i % 8)
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
			var broken *audit.ChainError
			_, err := audit.Inspect(dir, head)
			if !errors.As(err, &broken) || (broken.Seq != int64(n+1) && broken.Seq != int64(n+2)) {
				t.Errorf("byte %d of line %d: got %v", i, n+1, err)
			}
			body[pos] ^= 1 << (i % 8)
		}
		start += len(line)
	}
}

func TestAKnownHeadFindsACutTail(t *testing.T) {
	dir := t.TempDir()
	lines, head := written(t, dir)
	if err := os.WriteFile(segment(t, dir), bytes.Join(lines[:6], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, audit.Verify(dir), 0)
	_, err := audit.Inspect(dir, head)
	check(t, err, 7)
}

func TestAKnownHeadFindsALogWrittenAnew(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	_, head := written(t, dir)
	written(t, other)
	check(t, audit.Verify(other), 0)
	_, err := audit.Inspect(other, head)
	check(t, err, 8)
}

func TestAMissingSegmentIsFound(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, err := audit.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			write(t, l, audit.Event{Type: audit.Manifest, Outcome: audit.OK})
			time.Sleep(24 * time.Hour)
		}
		l.Close()
	})
	files, err := filepath.Glob(filepath.Join(dir, "audit-*.ndjson"))
	if err != nil || len(files) != 4 {
		t.Fatalf("got %d segments, want 4 (%v)", len(files), err)
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	check(t, audit.Verify(dir), 3)
}

func TestOpenRepairsWhatACrashLeft(t *testing.T) {
	for _, tc := range []struct {
		name, tail string
		want       []string // types of the events added by Open
		wantErr    string
	}{
		{"nothing", "", []string{audit.LogOpened}, ""},
		{"half a line", `{"seq":9,"time":"2026-`, []string{audit.LogRepaired, audit.LogOpened}, ""},
		{"a line without its end", `{"seq":9,"prev":"00"}`, []string{audit.LogRepaired, audit.LogOpened}, ""},
		{"a block of zeros", strings.Repeat("\x00", 4096), []string{audit.LogRepaired, audit.LogOpened}, ""},
		{"zeros that end in a line", strings.Repeat("\x00", 100) + "\n", []string{audit.LogRepaired, audit.LogOpened}, ""},
		{"a foreign line", "hello\n", nil, "is damaged, and not by a crash"},
		{"a line that only looks like one", `{"seq":9,"prev":"00"}` + "\n", nil, "not an audit record"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			_, head := written(t, dir)
			f, err := os.OpenFile(segment(t, dir), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(tc.tail); err != nil {
				t.Fatal(err)
			}
			f.Close()
			l, err := audit.Open(dir)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("got %v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var got []string
			for _, r := range records(t, dir)[8:] {
				got = append(got, r.Type)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			_, err = audit.Inspect(dir, head)
			check(t, err, 0)
		})
	}
}

func TestALineBeingWrittenIsNoBreak(t *testing.T) {
	dir := t.TempDir()
	lines, _ := written(t, dir)
	body := bytes.Join(lines, nil)
	if err := os.WriteFile(segment(t, dir), body[:len(body)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := audit.Inspect(dir)
	check(t, err, 0)
	if want := int64(len(lines[7]) - 5); s.Torn != want || s.Events != 7 {
		t.Errorf("got %d torn bytes after %d events, want %d after 7", s.Torn, s.Events, want)
	}
}
