package pull

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Downloads are cut at bytes chosen by chance, over and over; the files come out whole all the same, whatever the server can do.
func TestCutDownloads(t *testing.T) {
	for _, tc := range []struct {
		name string
		bend func(f *file, o *Options)
		asks bool // a strong entity tag lets the client ask for the rest only, whatever it gets
	}{
		{"gzip", func(*file, *Options) {}, true},
		{"identity", func(_ *file, o *Options) { o.NoGzip = true }, true},
		{"gzip, no ranges", func(f *file, _ *Options) { f.noRange = true }, true},
		{"identity, no ranges", func(f *file, o *Options) { f.noRange, o.NoGzip = true, true }, true},
		{"no entity tag", func(f *file, _ *Options) { f.etag = "-" }, false},
		{"weak entity tag", func(f *file, _ *Options) { f.etag = `W/"1"` }, false},
	} {
		for seed := range uint64(5) {
			t.Run(fmt.Sprintf("%s/%d", tc.name, seed), func(t *testing.T) {
				in(t, func(t *testing.T) {
					rnd := rand.New(rand.NewPCG(seed, 1))
					b := newBulk(t, observations(), patients())
					o := b.options(t.TempDir())
					for _, f := range b.files {
						tc.bend(f, &o)
					}
					went := 0
					b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
						name, ok := strings.CutPrefix(r.URL.Path, "/fhir/files/")
						if !ok || n > 6 {
							return false
						}
						b.mu.Lock()
						if r.Header.Get("Range") != "" {
							went++
						}
						cut := rnd.IntN(len(b.file(name).body) / 5)
						b.mu.Unlock()
						b.file(name).serve(&cutter{w, cut}, r)
						return true
					}
					res, err := Run(t.Context(), o)
					if err != nil {
						t.Fatal(err)
					}
					b.holds(res)
					if (went > 0) != tc.asks {
						t.Errorf("%d requests asked for the rest only, want some: %t", went, tc.asks)
					}
				})
			})
		}
	}
}

// A server that changes its mind in the middle: another file under the same address, a piece from the wrong place, another coding.
func TestPiecesThatDoNotFit(t *testing.T) {
	for _, tc := range []struct {
		name   string
		second func(b *bulk, w http.ResponseWriter, r *http.Request)
	}{
		{"another file", func(b *bulk, w http.ResponseWriter, r *http.Request) {
			b.files[0].body = ndjson("Observation", 501) // the manifest has no count
			b.files[0].serve(w, r)
		}},
		{"a piece from elsewhere", func(b *bulk, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 10-20/30")
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, "0123456789a")
		}},
		{"another tag", func(b *bulk, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"other"`)
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Range", "bytes 4000-4001/9000")
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, "01")
		}},
		{"another coding", func(b *bulk, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 4000-4001/*")
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, "01")
		}},
		{"no Content-Range", func(b *bulk, w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusPartialContent) }},
		{"416 of a shorter file", func(b *bulk, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes */12")
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBulk(t, observations())
				b.counts = map[string]int64{"Observation-0.ndjson": -1}
				b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
					if !strings.HasSuffix(r.URL.Path, ".ndjson") || n > 2 {
						return false
					}
					if n == 1 {
						b.files[0].serve(&cutter{w, 4000}, r)
					}
					if r.Header.Get("Range") != "bytes=4000-" {
						t.Errorf("Range %q", r.Header.Get("Range"))
					}
					tc.second(b, w, r)
					return true
				}
				res, err := Run(t.Context(), b.options(t.TempDir()))
				if err != nil {
					t.Fatal(err)
				}
				b.holds(res)
			})
		})
	}
}

// A file that is whole and wrong is fetched once more and then told; the others come all the same.
func TestWrongContent(t *testing.T) {
	for _, tc := range []struct {
		name string
		bend func(b *bulk)
		want string
	}{
		{"count", func(b *bulk) { b.counts = map[string]int64{"Observation-0.ndjson": 501} }, "it has 500 lines, the manifest says 501"},
		{"count 0", func(b *bulk) { b.counts = map[string]int64{"Observation-0.ndjson": 0} }, "it has 500 lines, the manifest says 0"},
		{"type", func(b *bulk) { b.files[0].body = append(b.files[0].body, ndjson("Patient", 1)...) }, "line 501 is of type Patient, the manifest says Observation"},
		{"no JSON", func(b *bulk) { b.files[0].body = append(b.files[0].body, "{]\n"...) }, "line 501 is no JSON"},
		{"no resource", func(b *bulk) { b.files[0].body = append(b.files[0].body, "[]\n"...) }, "line 501 is no FHIR resource"},
		{"not UTF-8", func(b *bulk) {
			b.files[0].body = append(b.files[0].body, "{\"resourceType\":\"Observation\",\"x\":\"\xff\"}\n"...)
		}, "line 501 is not UTF-8"},
		{"cut by the server itself", func(b *bulk) { b.files[0].body = b.files[0].body[:len(b.files[0].body)-9] }, "it ends in mid-line"},
		{"damaged gzip", func(b *bulk) {
			body := zip(b.files[0].body)
			body[len(body)-6] ^= 1
			b.files[0].body, b.files[0].coding, b.counts = body, "identity", map[string]int64{"Observation-0.ndjson": -1}
		}, "its compressed form is damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBulk(t, observations(), patients())
				tc.bend(b)
				dir := t.TempDir()
				_, err := Run(t.Context(), b.options(dir))
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want %s", err, tc.want)
				}
				if n := b.seen["GET/fhir/files/Observation-0.ndjson"]; n != 2 {
					t.Errorf("fetched %d times, want 2", n)
				}
				left, err := filepath.Glob(filepath.Join(dir, "*.ndjson*"))
				if err != nil || len(left) != 1 || filepath.Base(left[0]) != "Patient-0.ndjson" {
					t.Errorf("in the folder: %v, %v; want the good file only", left, err)
				}
			})
		})
	}
}

// What servers do besides: compressed files that nobody announces, no last line feed, empty lines, empty files, files organised by patient.
func TestOddFiles(t *testing.T) {
	in(t, func(t *testing.T) {
		plain := ndjson("Patient", 30)
		b := newBulk(t,
			&file{list: "output", typ: "Patient", name: "Patient.ndjson.gz", body: zip(plain), coding: "identity"},
			&file{list: "output", typ: "Patient", name: "Patient-open", body: bytes.TrimSuffix(plain, []byte("\n"))},
			&file{list: "output", typ: "Patient", name: "Patient-blank.ndjson", body: append([]byte("\n"), plain...)},
			&file{list: "output", typ: "Patient", name: "Patient-empty.ndjson"},
		)
		b.counts = map[string]int64{"Patient.ndjson.gz": 30, "Patient-open": 30, "Patient-blank.ndjson": 30}
		res, err := Run(t.Context(), b.options(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		b.files[0].body = plain
		b.holds(res)
		var got []string
		for _, f := range res.Output {
			got = append(got, filepath.Base(f.Path))
		}
		want := "Patient.ndjson Patient-open.ndjson Patient-blank.ndjson Patient-empty.ndjson"
		if strings.Join(got, " ") != want {
			t.Errorf("names %v, want %s", got, want)
		}
	})
	in(t, func(t *testing.T) {
		b := newBulk(t, &file{list: "output", typ: "", name: "block.ndjson", body: append(ndjson("Parameters", 1), ndjson("Patient", 1)...)})
		b.extra = func(m map[string]any) { m["outputOrganizedBy"] = "Patient" }
		res, err := Run(t.Context(), b.options(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		b.holds(res)
	})
}

// A connection that is simply closed does not say whether that was all: the content does.
func TestClosedConnection(t *testing.T) {
	for _, coding := range []string{"gzip", "identity"} {
		t.Run(coding, func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBulk(t, observations())
				b.files[0].noRange = true
				b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
					if !strings.HasSuffix(r.URL.Path, ".ndjson") {
						return false
					}
					body := b.files[0].body
					conn, buf, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return true
					}
					defer conn.Close()
					fmt.Fprint(buf, "HTTP/1.0 200 OK\r\n")
					if coding == "gzip" {
						body = zip(body)
						fmt.Fprint(buf, "Content-Encoding: gzip\r\n")
					}
					if n == 1 {
						body = body[:len(body)-7]
					}
					fmt.Fprint(buf, "\r\n")
					_, _ = buf.Write(body)
					_ = buf.Flush()
					return true
				}
				res, err := Run(t.Context(), b.options(t.TempDir()))
				if err != nil {
					t.Fatal(err)
				}
				b.holds(res)
				if n := b.seen["GET/fhir/files/Observation-0.ndjson"]; n != 2 {
					t.Errorf("fetched %d times, want 2", n)
				}
			})
		})
	}
}

// A download that brings nothing for long is given up and gone on from.
func TestStalledDownload(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, observations())
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if strings.HasSuffix(r.URL.Path, ".ndjson") && n == 1 {
				w.Header().Set("Content-Length", strconv.Itoa(len(b.files[0].body)))
				w.Header().Set("ETag", `"`+b.files[0].sum()+`"`)
				_, _ = w.Write(b.files[0].body[:3000])
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return true
			}
			return false
		}
		o := b.options(t.TempDir())
		o.NoGzip = true
		began := time.Now()
		res, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		b.holds(res)
		if took := time.Since(began); took < stall || took > 2*stall {
			t.Errorf("it took %v", took)
		}
	})
}

// Signed addresses die within minutes; a new poll gives fresh ones (MAN-13), and the file goes on where it was.
func TestSignedAddressesAreRenewed(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, observations(), patients())
		b.open = true
		signature := 1
		b.fileURL = func(f *file) string {
			return host + "/fhir/files/" + f.name + "?" + url.Values{"sig": {strconv.Itoa(signature)}}.Encode()
		}
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			name, ok := strings.CutPrefix(r.URL.Path, "/fhir/files/")
			if !ok {
				return false
			}
			b.mu.Lock()
			if name == "Observation-0.ndjson" && n == 2 {
				signature = 2
			}
			now := signature
			b.mu.Unlock()
			if r.URL.Query().Get("sig") != strconv.Itoa(now) {
				outcome(w, http.StatusForbidden, "expired", "signature")
				return true
			}
			if n == 1 {
				b.file(name).serve(&cutter{w, 1000}, r)
			}
			return false
		}
		res, err := Run(t.Context(), b.options(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		b.holds(res)
		if h := b.heads[len(b.heads)-1]; h.Get("Range") == "" {
			t.Error("the last request began at the first byte")
		}
	})
	in(t, func(t *testing.T) {
		b := newBulk(t, patients())
		b.fileURL = func(*file) string { return host + "/fhir/files/gone" }
		_, err := Run(t.Context(), b.options(t.TempDir()))
		if err == nil || !strings.Contains(err.Error(), "404") || b.polls != 3 {
			t.Errorf("error %v after %d polls; want 404 after 3", err, b.polls)
		}
	})
}

// Pages of a manifest are one; the lists of version 4 are read, too.
func TestManifestShapes(t *testing.T) {
	in(t, func(t *testing.T) {
		more := observations()
		b := newBulk(t, patients())
		b.extra = func(m map[string]any) {
			m["link"] = []any{map[string]any{"relation": "next", "url": "1/page/2"}}
			delete(m, "error")
		}
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.URL.Path != "/fhir/status/1/page/2" {
				return false
			}
			if !b.authorized(w, r) {
				return true
			}
			fmt.Fprintf(w, `{"transactionTime":"2026-03-02T09:15:00Z","output":[{"type":"Observation","url":"%s/fhir/files/more.ndjson","count":500}],
				"outcome":[{"url":"%s/fhir/files/outcome.ndjson"}]}`, host, host)
			return true
		}
		more.name = "more.ndjson"
		dir := t.TempDir()
		out := &file{list: "error", name: "outcome.ndjson", body: []byte(`{"resourceType":"OperationOutcome","issue":[]}` + "\n")}
		hidden := []*file{more, out}
		before := b.before
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			for _, f := range hidden {
				if r.URL.Path == "/fhir/files/"+f.name {
					f.serve(w, r)
					return true
				}
			}
			return before(w, r, n)
		}
		res, err := Run(t.Context(), b.options(dir))
		if err != nil {
			t.Fatal(err)
		}
		b.files = append(b.files, hidden...)
		b.holds(res)
		kept, err := os.ReadFile(filepath.Join(dir, manifestName))
		if err != nil || !bytes.Contains(kept, []byte("more.ndjson")) || !bytes.Contains(kept, []byte("outcome.ndjson")) || bytes.Contains(kept, []byte("next")) {
			t.Errorf("manifest.json: %s, %v", kept, err)
		}
	})
}
