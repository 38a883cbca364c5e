package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/bulkdata"
)

func patients() *file {
	return &file{list: "output", typ: "Patient", name: "Patient-0.ndjson", body: ndjson("Patient", 40)}
}

func observations() *file {
	return &file{list: "output", typ: "Observation", name: "Observation-0.ndjson", body: ndjson("Observation", 500)}
}

func TestPull(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, patients(), observations())
		dir := filepath.Join(t.TempDir(), "new", "out")
		o := b.options(dir)
		o.Types, o.Since = []string{"Patient", "Observation"}, "2026-03-01T08:00:00+01:00"
		var lines []string
		o.Progress = func(s string) { lines = append(lines, s) }
		res, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		b.holds(res)
		want := "GET /fhir/Patient/$export?_since=2026-03-01T08%3A00%3A00%2B01%3A00&_type=Patient,Observation"
		if b.requests[2] != want {
			t.Errorf("kick-off %s, want %s", b.requests[2], want)
		}
		if h := b.heads[2]; h.Get("Prefer") != "respond-async" || h.Get("Accept") != "application/fhir+json" {
			t.Errorf("kick-off headers %v", h)
		}
		if !strings.Contains(strings.Join(lines, "\n"), "poll 1") {
			t.Errorf("X-Progress is not told: %q", lines)
		}
		if res.TransactionTime != "2026-03-02T09:15:00Z" || res.Status != host+"/fhir/status/1" || res.Output[1].Lines != 500 {
			t.Errorf("result %+v", res)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "manifest.json")); err != nil || !strings.Contains(string(text), "Observation-0.ndjson") {
			t.Errorf("manifest.json: %s, %v", text, err)
		}
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "finished") {
			t.Errorf("a second pull into the same folder: %v, want a refusal", err)
		}
	})
}

// What a server may answer before it does what it is asked; none of it may reach the user, and none may be asked again too soon.
func TestTroubleThatPasses(t *testing.T) {
	for _, tc := range []struct {
		name    string
		path    string // the last part of the path that is troubled, once
		trouble func(w http.ResponseWriter)
		least   time.Duration // the pause before the next request for the path
	}{
		{"kick-off 429 with seconds", "$export", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "40")
			outcome(w, http.StatusTooManyRequests, "throttled", "too many")
		}, 40 * time.Second},
		{"kick-off 503 with a date", "$export", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		}, 89 * time.Second},
		{"poll 429", "1", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "25")
			w.WriteHeader(http.StatusTooManyRequests)
		}, 25 * time.Second},
		{"poll 503 without Retry-After", "1", func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, 500 * time.Millisecond},
		{"poll 500 transient", "1", func(w http.ResponseWriter) { outcome(w, 500, "transient", "state is away") }, 500 * time.Millisecond},
		{"poll 202 without Retry-After", "1", func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }, time.Second},
		{"poll 202 with a date", "1", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", time.Now().Add(17*time.Second).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusAccepted)
		}, 16 * time.Second},
		{"poll cut", "1", func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, 0},
		{"poll 401", "1", func(w http.ResponseWriter) { outcome(w, 401, "login", "expired") }, 0},
		{"file 429", "Patient-0.ndjson", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "12")
			w.WriteHeader(http.StatusTooManyRequests)
		}, 12 * time.Second},
		{"file 502", "Patient-0.ndjson", func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, 500 * time.Millisecond},
		{"file 401", "Patient-0.ndjson", func(w http.ResponseWriter) { outcome(w, 401, "login", "expired") }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBulk(t, patients())
				var at time.Time
				b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
					if !strings.HasSuffix(r.URL.Path, "/"+tc.path) {
						return false
					}
					if n == 1 {
						at = time.Now()
						tc.trouble(w)
						return true
					}
					if pause := time.Since(at); n == 2 && pause < tc.least {
						t.Errorf("asked again after %v, want at least %v", pause, tc.least)
					}
					return false
				}
				res, err := Run(t.Context(), b.options(t.TempDir()))
				if err != nil {
					t.Fatal(err)
				}
				b.holds(res)
				if b.kicked != 1 {
					t.Errorf("%d exports started, want 1", b.kicked)
				}
			})
		})
	}
}

// A failed export is told in the words of its OperationOutcome, and leaves nothing to go on with.
func TestFailedExport(t *testing.T) {
	for _, status := range []int{400, 404, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBulk(t, patients())
				b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
					if r.URL.Path != "/fhir/status/1" || n < 2 {
						return false
					}
					outcome(w, status, "exception", "the disk \x1b[31mis full")
					return true
				}
				dir := t.TempDir()
				_, err := Run(t.Context(), b.options(dir))
				if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) || !strings.Contains(err.Error(), "the disk [31mis full") {
					t.Errorf("error %q", err)
				}
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("left in the folder: %v, %v", left, err)
				}
			})
		})
	}
}

func TestKickoffRefused(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t)
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if strings.HasSuffix(r.URL.Path, "$export") {
				outcome(w, http.StatusForbidden, "forbidden", "not this Group")
				return true
			}
			return false
		}
		o := b.options(t.TempDir())
		o.Level, o.GroupID = bulkdata.Group, "a/b"
		_, err := Run(t.Context(), o)
		var e *Error
		if !errors.As(err, &e) || e.Status != http.StatusForbidden || !strings.Contains(err.Error(), "not this Group") {
			t.Errorf("error %v", err)
		}
		if got := b.requests[len(b.requests)-1]; got != "GET /fhir/Group/a%2Fb/$export" {
			t.Errorf("request %s", got)
		}
	})
}

// Interrupted while the export runs: it is deleted. Interrupted while files come: it is not, and the next run goes on.
func TestInterrupt(t *testing.T) {
	t.Run("while polling", func(t *testing.T) {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients())
			b.ready = 1000
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			dir := t.TempDir()
			_, err := Run(ctx, b.options(dir))
			if !errors.Is(err, context.DeadlineExceeded) || !b.deleted {
				t.Errorf("error %v, deleted %t", err, b.deleted)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left in the folder: %v", left)
			}
		})
	})
	t.Run("while the kick-off is answered", func(t *testing.T) {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients())
			b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
				if strings.HasSuffix(r.URL.Path, "$export") {
					time.Sleep(2 * time.Second)
				}
				return false
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := Run(ctx, b.options(t.TempDir())); err == nil || !b.deleted {
				t.Errorf("error %v, deleted %t", err, b.deleted)
			}
		})
	})
	t.Run("detached", func(t *testing.T) {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients())
			b.ready = 100
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			o := b.options(t.TempDir())
			o.Detach = true
			if _, err := Run(ctx, o); err == nil || b.deleted {
				t.Fatalf("error %v, deleted %t", err, b.deleted)
			}
			res, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			b.holds(res)
			if b.kicked != 1 {
				t.Errorf("%d exports started, want 1", b.kicked)
			}
		})
	})
	t.Run("while downloading", func(t *testing.T) {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients(), observations())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
				if strings.HasSuffix(r.URL.Path, "Observation-0.ndjson") && n == 1 {
					defer cancel()
					b.file("Observation-0.ndjson").serve(&cutter{w, 5000}, r)
				}
				return false
			}
			o := b.options(t.TempDir())
			o.Parallel = 1
			if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) || b.deleted {
				t.Fatalf("error %v, deleted %t", err, b.deleted)
			}
			res, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			b.holds(res)
			if b.kicked != 1 || b.seen["GET/fhir/files/Patient-0.ndjson"] != 1 {
				t.Errorf("%d exports, %d times the first file; want 1 and 1", b.kicked, b.seen["GET/fhir/files/Patient-0.ndjson"])
			}
			if h := b.heads[len(b.heads)-1]; h.Get("Range") != "bytes=5000-" || h.Get("If-Range") == "" {
				t.Errorf("last request went on with %q", h.Get("Range"))
			}
		})
	})
}

func TestResume(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, patients())
		dir := t.TempDir()
		res, err := Resume(t.Context(), b.options(dir), host+"/fhir/status/1")
		if err != nil {
			t.Fatal(err)
		}
		b.holds(res)
		if b.kicked != 0 {
			t.Error("it started an export")
		}
	})
}

// What lies in the folder decides: another export there is not mixed with this one, a lost one is begun anew.
func TestFolder(t *testing.T) {
	interrupted := func(t *testing.T, b *bulk, dir string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if strings.HasSuffix(r.URL.Path, "Observation-0.ndjson") {
				cancel()
			}
			return false
		}
		o := b.options(dir)
		o.Parallel = 1
		if _, err := Run(ctx, o); err == nil {
			t.Fatal("not interrupted")
		}
		b.before = nil
	}
	t.Run("another export", func(t *testing.T) {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients(), observations())
			dir := t.TempDir()
			interrupted(t, b, dir)
			o := b.options(dir)
			o.Level = bulkdata.System
			if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another export") {
				t.Errorf("error %v", err)
			}
		})
	})
	t.Run("gone at the server", func(t *testing.T) {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients(), observations())
			dir := t.TempDir()
			interrupted(t, b, dir)
			gone := false
			b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
				if r.URL.Path == "/fhir/status/1" && !gone {
					gone = true
					outcome(w, http.StatusNotFound, "not-found", "no such export")
					return true
				}
				return false
			}
			res, err := Run(t.Context(), b.options(dir))
			if err != nil {
				t.Fatal(err)
			}
			b.holds(res)
			if b.kicked != 2 {
				t.Errorf("%d exports started, want 2", b.kicked)
			}
		})
	})
	t.Run("a file of the user", func(t *testing.T) {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients())
			dir := t.TempDir()
			mine := filepath.Join(dir, "Patient-0.ndjson")
			if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Run(t.Context(), b.options(dir))
			if body, _ := os.ReadFile(mine); err == nil || string(body) != "mine" {
				t.Errorf("error %v, file %q", err, body)
			}
		})
	})
}

// A server that stays away is not waited for without end; the export is left to it.
func TestPatienceEnds(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, patients())
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.URL.Path == "/fhir/status/1" {
				panic(http.ErrAbortHandler)
			}
			return false
		}
		o := b.options(t.TempDir())
		o.Patience = time.Minute
		began := time.Now()
		_, err := Run(t.Context(), o)
		if took := time.Since(began); err == nil || took < time.Minute || took > 3*time.Minute {
			t.Errorf("error %v after %v", err, took)
		}
	})
}

// Error files and deletions are downloaded, and what the former say is counted.
func TestErrorFilesAndDeleted(t *testing.T) {
	in(t, func(t *testing.T) {
		issue := `{"resourceType":"OperationOutcome","issue":[{"severity":"%s","code":"%s","diagnostics":"%s"}]}` + "\n"
		b := newBulk(t,
			patients(),
			&file{list: "deleted", typ: "Bundle", name: "deleted.ndjson", body: []byte(`{"resourceType":"Bundle","type":"transaction","entry":[]}` + "\n")},
			&file{list: "error", typ: "OperationOutcome", name: "error.ndjson", body: []byte(
				fmt.Sprintf(issue, "warning", "not-supported", "_foo was ignored") + strings.Repeat(fmt.Sprintf(issue, "error", "incomplete", "one patient"), 3))},
		)
		res, err := Run(t.Context(), b.options(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		b.holds(res)
		want := []Issue{{"error", "incomplete", "one patient", 3}, {"warning", "not-supported", "_foo was ignored", 1}}
		if d := cmp.Diff(want, res.Issues); d != "" {
			t.Error(d)
		}
		if len(res.Deleted) != 1 || len(res.Errors) != 1 {
			t.Errorf("%d deleted, %d error files", len(res.Deleted), len(res.Errors))
		}
	})
}
