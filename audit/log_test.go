package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/audit"
)

func open(t *testing.T, dir string) *audit.Log {
	t.Helper()
	l, err := audit.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func write(t *testing.T, l *audit.Log, e audit.Event) {
	t.Helper()
	if err := l.Write(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func records(t *testing.T, dir string) []audit.Record {
	t.Helper()
	var out []audit.Record
	for r, err := range audit.Records(dir) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// segment returns the only segment of dir.
func segment(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "audit-*.ndjson"))
	if err != nil || len(found) != 1 {
		t.Fatalf("segments in %s: got %d, want 1 (%v)", dir, len(found), err)
	}
	return found[0]
}

func TestLine(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	write(t, l, audit.Event{
		Type: audit.Kickoff, Outcome: audit.OK, Time: time.Date(2026, 11, 25, 8, 0, 0, 123456789, time.FixedZone("", 3600)),
		Client: "lab", Job: "00ff", RequestID: "r1", Remote: "192.0.2.1", Detail: "Group export",
		Fields: map[string]any{"types": []string{"Patient"}},
	})
	body, err := os.ReadFile(segment(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(body, []byte("\n"))
	got := string(lines[1])
	prev := records(t, dir)[1].Prev
	want := `{"seq":2,"time":"2026-11-25T07:00:00.123456Z","type":"kickoff","outcome":"ok","client":"lab","job":"00ff","requestId":"r1",` +
		`"remote":"192.0.2.1","detail":"Group export","fields":{"types":["Patient"]},"prev":"` + prev + `"}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	if err := audit.Verify(dir); err != nil {
		t.Error(err)
	}
}

func TestValuesAreBoundedAndClean(t *testing.T) {
	type state string
	dir := t.TempDir()
	l := open(t, dir)
	for _, tc := range []struct {
		name string
		in   any
		want any
	}{
		{"string", "plain ä 🙂", "plain ä 🙂"},
		{"named string", state("complete"), "complete"},
		{"line break and escape", "a\nb\x1b[31mc\x00", "a�b�[31mc�"},
		{"next line, separators, direction override", "a\u0085b\u2028c\u2029d\u202ee", "a�b�c�d�e"},
		{"broken UTF-8", "a\xffb", "a�b"},
		{"long string", strings.Repeat("x", 5000), strings.Repeat("x", 1024) + "…"},
		{"long string cut inside a character", strings.Repeat("x", 1023) + "äää", strings.Repeat("x", 1023) + "…"},
		{"numbers", 17, float64(17)},
		{"not a number", math.NaN(), "?"},
		{"duration", 1500 * time.Millisecond, "1.5s"},
		{"time", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05Z"},
		{"list", []state{"a", "b"}, []any{"a", "b"}},
		{"counts", map[string]int64{"Patient": 3}, map[string]any{"Patient": float64(3)}},
		{"structure", struct{ Name string }{"Peter"}, "?"},
		{"error", errors.New("Peter"), "?"},
		{"map of strings", map[string]string{"name": "Peter"}, "?"},
		{"nothing", nil, "?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			write(t, l, audit.Event{Type: audit.State, Outcome: audit.OK, Fields: map[string]any{"v": tc.in}})
			all := records(t, dir)
			got := all[len(all)-1].Fields["v"]
			if n, ok := got.(interface{ Float64() (float64, error) }); ok {
				got, _ = n.Float64()
			}
			if m, ok := got.(map[string]any); ok {
				for k, v := range m {
					m[k], _ = v.(interface{ Float64() (float64, error) }).Float64()
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	many := map[string]any{}
	for i := range 100 {
		many[fmt.Sprint(i)] = i
	}
	big := map[string]any{}
	for i := range 30 {
		big[fmt.Sprint(i)] = make([]string, 100)
		for j := range 100 {
			big[fmt.Sprint(i)].([]string)[j] = strings.Repeat("y", 300)
		}
	}
	for _, fields := range []map[string]any{many, big} {
		write(t, l, audit.Event{Type: "a\nb", Outcome: audit.OK, Client: strings.Repeat("c", 10_000), Fields: fields})
	}
	body, err := os.ReadFile(segment(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n")) {
		if len(line) > 64<<10 {
			t.Errorf("line %d has %d bytes", i+1, len(line))
		}
	}
	if err := audit.Verify(dir); err != nil {
		t.Error(err)
	}
}

func TestManyWritersShareTheLog(t *testing.T) {
	const writers, each = 32, 25
	dir := t.TempDir()
	l := open(t, dir)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := l.Write(t.Context(), audit.Event{Type: audit.DownloadEnded, Outcome: audit.OK, Client: fmt.Sprint(w), Fields: map[string]any{"i": i}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := audit.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(writers*each + 2); s.Events != want || s.Head.Seq != want {
		t.Errorf("events: got %d, head %d, want %d", s.Events, s.Head.Seq, want)
	}
	next := map[string]int{}
	for _, r := range records(t, dir) {
		if r.Type != audit.DownloadEnded {
			continue
		}
		if got, want := fmt.Sprint(r.Fields["i"]), fmt.Sprint(next[r.Client]); got != want {
			t.Fatalf("events of writer %s: got %s, want %s", r.Client, got, want)
		}
		next[r.Client]++
	}
}

func TestTheChainGoesOnOverRestartsAndDays(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			l, err := audit.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			write(t, l, audit.Event{Type: audit.Manifest, Outcome: audit.OK})
			time.Sleep(25 * time.Hour)
			write(t, l, audit.Event{Type: audit.Manifest, Outcome: audit.OK})
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
	s, err := audit.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Segments != 4 || s.Events != 12 {
		t.Errorf("got %d segments with %d events, want 4 with 12", s.Segments, s.Events)
	}
}

func TestAClockSetBackDoesNotReorderTheLog(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { // in the year 2000
		l, err := audit.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	})
	if err := os.Rename(segment(t, dir), filepath.Join(dir, "audit-29991231.ndjson")); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	write(t, l, audit.Event{Type: audit.Manifest, Outcome: audit.OK})
	segment(t, dir) // still one
	if err := audit.Verify(dir); err != nil {
		t.Error(err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, err := audit.Open(dir); err == nil || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("second Open: got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestContextAndClose(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Write(ended, audit.Event{Type: audit.Manifest}); !errors.Is(err, context.Canceled) {
		t.Errorf("Write with an ended context: got %v", err)
	}
	before := l.Head()
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Write(t.Context(), audit.Event{Type: audit.Manifest}); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("Write after Close: got %v", err)
	}
	if err := l.Ready(); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("Ready after Close: got %v", err)
	}
	s, err := audit.Inspect(dir, before)
	if err != nil || s.Events != 2 {
		t.Errorf("got %d events, %v; want log.opened and log.closed", s.Events, err)
	}
}

func TestAFileTakenAwayIsNoticed(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	path := segment(t, dir)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(t.Context(), audit.Event{Type: audit.Manifest}); err == nil {
		t.Fatal("Write to a file that was moved away: no error")
	}
	if err := l.Ready(); err == nil {
		t.Error("Ready: no error")
	}
	if err := os.Rename(path+".moved", path); err != nil {
		t.Fatal(err)
	}
	if err := l.Ready(); err != nil {
		t.Errorf("Ready after the file is back: %v", err)
	}
	if err := audit.Verify(dir); err != nil {
		t.Error(err)
	}
}
