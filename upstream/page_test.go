package upstream_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/fhir"
	"sluice/upstream"
)

func TestPageAsksPolitely(t *testing.T) {
	var got http.Header
	var uri string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, uri = r.Header.Clone(), r.RequestURI
		reply(w, 200, `{"resourceType":"Bundle","type":"searchset","total":2,"link":[{"relation":"self","url":"http://x/fhir/Observation?patient=p1"}],
			"entry":[{"resource":{"resourceType":"Observation","id":"a"}},{"resource":{"resourceType":"Provenance","id":"b"},"search":{"mode":"include"}}]}`)
	}, func(o *upstream.Options) { o.Headers = map[string]string{"Epic-Client-ID": "me"} })

	q := observations(t).With("_lastUpdated", "ge2026-01-01T00:00:00+01:00").With("_count", "500").With("_revinclude", "Provenance:target")
	s := &sink{}
	p, err := c.Page(t.Context(), q, "", s)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(2)
	want := fhir.Page{Self: "http://x/fhir/Observation?patient=p1", Total: &total, Entries: 2, Dropped: []string{"_lastUpdated", "_revinclude"}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Observation/a", "Provenance/b"}, s.ids); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if want := "/fhir/Observation?" + q.Encode(); uri != want {
		t.Errorf("asked for %s, want %s", uri, want)
	}
	for name, want := range map[string]string{
		"Accept": "application/fhir+json", "Accept-Encoding": "gzip", "Cache-Control": "no-cache", "Prefer": "handling=strict",
		"Epic-Client-ID": "me", "User-Agent": "Sluice",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestDropped(t *testing.T) {
	for _, tc := range []struct {
		name, self string
		want       []string
	}{
		{"all shown", "http://up/fhir/Observation?_count=20&patient=p1&category=lab&_lastUpdated=ge2026", nil},
		{"with modifiers and escapes", "Observation?patient:Patient=p1&category=lab&%5FlastUpdated=ge2026", nil},
		{"one missing", "http://up/fhir/Observation?patient=p1&category=lab", []string{"_lastUpdated"}},
		{"all missing", "http://up/fhir/Observation", []string{"patient", "category", "_lastUpdated"}},
		{"search by POST", "http://up/fhir/Observation/_search?patient=p1&category=lab", []string{"_lastUpdated"}},
		{"opaque", "http://up/fhir?_getpages=abc", nil},
		{"another type", "http://up/fhir/XObservation?x=1", nil},
		{"absent", "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				reply(w, 200, fmt.Sprintf(`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":%q}]}`, tc.self))
			})
			q := observations(t).With("category", "lab").With("_lastUpdated", "ge2026").With("_count", "20")
			p, err := c.Page(t.Context(), q, "", &sink{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, p.Dropped); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecordedHAPI(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name := "practitioner-page1.json"
		if r.URL.Query().Has("_getpages") {
			if r.URL.Path != "/fhir" {
				t.Errorf("page 2 asked for at %s", r.URL.Path)
			}
			name = "practitioner-page2.json"
		}
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Error(err)
		}
		reply(w, 200, string(raw))
	}, func(o *upstream.Options) { o.Aliases = []string{"http://127.0.0.1:18080/fhir"} })
	q, _ := fhir.SystemQuery("Practitioner")
	s := &sink{}
	p, err := c.Page(t.Context(), q.With("_count", "3"), "", s)
	if err != nil {
		t.Fatal(err)
	}
	if want := "?_getpages=332e2b2d-3904-4e12-9b29-cd5d2a42e800&_getpagesoffset=3&_count=3&_bundletype=searchset"; p.Next != want || p.Entries != 3 || p.Dropped != nil {
		t.Errorf("page 1: %+v, want next %q", p, want)
	}
	if p, err = c.Page(t.Context(), q, p.Next, s); err != nil || p.Entries != 3 || p.Next == "" {
		t.Errorf("page 2: %+v, %v", p, err)
	}
}

func TestUnboundQueryIsRefused(t *testing.T) {
	c, _ := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	if _, err := c.Page(t.Context(), fhir.Query{}, "", &sink{}); err == nil {
		t.Error("the zero Query was sent")
	}
	if _, err := c.Read(t.Context(), fhir.Reference{Type: "Patient", ID: "../x"}); err == nil {
		t.Error("a reference that is none was read")
	}
}

func TestAnswersThatAreNoPage(t *testing.T) {
	for _, tc := range []struct {
		name, contentType, body string
		status                  int
		next                    bool
		code                    string
		permanent, expired      bool
		unavailable             bool
	}{
		{name: "login page", contentType: "text/html", body: "<html>Mr Smith</html>", status: 200, code: "exception", permanent: true},
		{name: "login page said to be JSON", contentType: "application/json", body: "<html>Mr Smith</html>", status: 200, code: "exception", permanent: true},
		{name: "XML", contentType: "application/fhir+xml", body: "<Bundle/>", status: 200, code: "exception", permanent: true},
		{name: "another resource", contentType: "application/fhir+json", body: `{"resourceType":"Patient","id":"smith"}`, status: 200, code: "exception", permanent: true},
		{name: "only an OperationOutcome", contentType: "application/fhir+json", body: fmt.Sprintf(outcome, "business-rule"), status: 200, code: "business-rule", permanent: true},
		{name: "unknown parameter", contentType: "application/fhir+json", body: fmt.Sprintf(outcome, "processing"), status: 400, code: "processing", permanent: true},
		{name: "code that is none", contentType: "application/fhir+json", body: fmt.Sprintf(outcome, "Mr Smith"), status: 400, code: "processing", permanent: true},
		{name: "forbidden", body: fmt.Sprintf(outcome, "forbidden"), status: 403, code: "forbidden", permanent: true},
		{name: "not found", status: 404, code: "not-found", permanent: true},
		{name: "not implemented", status: 501, code: "not-supported", permanent: true},
		{name: "not signed", status: 401, code: "login", unavailable: true},
		{name: "next link gone", next: true, body: fmt.Sprintf(outcome, "processing"), status: 410, code: "processing", expired: true},
		{name: "next link not found", next: true, status: 404, code: "expired", expired: true},
		{name: "next link refused", next: true, status: 400, code: "expired", expired: true},
		{name: "next link forbidden", next: true, status: 403, code: "forbidden", permanent: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var hits atomic.Int64
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				hits.Add(1)
				w.Header().Set("Content-Type", tc.contentType)
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			cursor := ""
			if tc.next {
				cursor = "/Observation?patient=smith&page=2"
			}
			_, err := c.Page(t.Context(), observations(t), cursor, &sink{})
			var e *upstream.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			_, unavailable := e.Unavailable()
			if e.Code() != tc.code || e.Permanent() != tc.permanent || e.Expired() != tc.expired || unavailable != tc.unavailable || e.Status() != tc.status {
				t.Errorf("got %v: status %d code %s permanent %t expired %t unavailable %t", e, e.Status(), e.Code(), e.Permanent(), e.Expired(), unavailable)
			}
			if hits.Load() != 1 {
				t.Errorf("%d requests, want 1", hits.Load())
			}
			if strings.Contains(strings.ToLower(err.Error()), "smith") {
				t.Errorf("error text shows what the upstream said: %v", err)
			}
			if strings.HasPrefix(tc.body, `{"resourceType":"OperationOutcome"`) && (e.Outcome == nil || e.Outcome.Issue[0].Diagnostics == "") {
				t.Error("the upstream's explanation is lost")
			}
		})
	}
}

func packed(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(body)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzipBody(t *testing.T) {
	raw := packed(t, []byte(page("", "a", "b")))
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(raw)
		}
	})
	for range 3 { // readers are used again
		s := &sink{}
		if _, err := c.Page(t.Context(), observations(t), "", s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"Observation/a", "Observation/b"}, s.ids); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
	}
	if got := c.Stats().Bytes; got != 3*int64(len(raw)) {
		t.Errorf("bytes: got %d, want %d", got, 3*len(raw))
	}
}

// TestGzipBomb unpacks a body of which each MiB on the wire is 1000 in memory.
func TestGzipBomb(t *testing.T) {
	for _, tc := range []struct{ name, head, fill string }{
		{"blanks", `{"resourceType":"Bundle","type":"searchset",`, " "},
		{"one string", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Binary","data":"`, "A"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var sent atomic.Int64
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/fhir+json")
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				io.WriteString(z, tc.head)
				fill := []byte(strings.Repeat(tc.fill, 1<<20))
				for range 512 {
					if _, err := z.Write(fill); err != nil {
						return
					}
					sent.Add(1)
				}
			})
			_, err := c.Page(t.Context(), observations(t), "", &sink{})
			var e *upstream.Error
			if !errors.As(err, &e) || !e.Permanent() || e.Code() != "too-long" {
				t.Errorf("got %v, want a refusal of the size", err)
			}
			if in := c.Stats().Bytes; in > 400<<10 {
				t.Errorf("%d bytes were read of the bomb", in)
			}
		})
	}
}

func TestCompressedALot(t *testing.T) {
	var ids []string
	for i := range 3000 {
		ids = append(ids, fmt.Sprint("o", i))
	}
	body := []byte(page("", ids...) + strings.Repeat(" \n", 500<<10)) // below the floor everything goes
	raw := packed(t, body)
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(raw)
	})
	s := &sink{}
	if _, err := c.Page(t.Context(), observations(t), "", s); err != nil || len(s.ids) != 3000 {
		t.Errorf("got %d entries, %v", len(s.ids), err)
	}
}

func TestSinkErrorIsReturnedAsItIs(t *testing.T) {
	var hits atomic.Int64
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { hits.Add(1); reply(w, 200, page("", "a")) })
	full := errors.New("disk is full")
	if _, err := c.Page(t.Context(), observations(t), "", &sink{fail: full}); err != full {
		t.Errorf("got %v, want the error of the sink", err)
	}
	if hits.Load() != 1 {
		t.Errorf("%d requests, want 1", hits.Load())
	}
}

func TestCancel(t *testing.T) {
	inside := make(chan struct{})
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		io.WriteString(w, `{"resourceType":"Bundle",`)
		w.(http.Flusher).Flush()
		close(inside)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-inside; cancel() }()
	_, err := c.Page(ctx, observations(t), "", &sink{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if s := c.Stats(); s.InFlight != 0 || s.Retries != 0 {
		t.Errorf("after the cancel: %+v", s)
	}
}

func TestRedirects(t *testing.T) {
	for _, tc := range []struct {
		name, to string
		ok       bool
	}{
		{"inside the base", "/fhir/Patient/new", true},
		{"other path of the host", "/admin", false},
		{"dot segments", "/fhir/../admin", false},
		{"loop", "/fhir/Patient/old", false},
		{"user", "http://user:pw@HOST/fhir/Patient/new", false},
		{"other port", "http://127.0.0.1:1/fhir/Patient/new", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var hits atomic.Int64
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				hits.Add(1)
				switch r.URL.Path {
				case "/fhir/Patient/new":
					if r.Header.Get("Referer") != "" {
						t.Error("a Referer was sent")
					}
					reply(w, 200, `{"resourceType":"Patient","id":"new"}`)
				case "/fhir/Patient/old":
					w.Header().Set("Location", strings.ReplaceAll(tc.to, "HOST", r.Host))
					w.WriteHeader(http.StatusFound)
				default:
					t.Errorf("request at %s", r.URL.Path)
				}
			})
			raw, err := c.Read(t.Context(), fhir.Reference{Type: "Patient", ID: "old"})
			if (err == nil) != tc.ok {
				t.Errorf("got %s, %v", raw, err)
			}
			var e *upstream.Error
			if !tc.ok && (!errors.As(err, &e) || !e.Permanent()) {
				t.Errorf("got %v, want a permanent refusal", err)
			}
			if n := hits.Load(); n > 4 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reply(w, 200, page("", "a")) }))
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := upstream.NewTransport(upstream.TransportOptions{CAFile: ca, Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s.URL+"/fhir", func(o *upstream.Options) { o.Transport = tr })
	if _, err := c.Page(t.Context(), observations(t), "", &sink{}); err != nil {
		t.Error(err)
	}
}
