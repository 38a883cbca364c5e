package pull

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth"
	"sluice/bulkdata"
	"sluice/fhir"
)

const host = "http://bulk.test"

// network is a network in memory, by host name: time in a synctest bubble goes on while its connections wait.
type network struct {
	mu    sync.Mutex
	hosts map[string]*listener
}

type listener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { close(l.closed); return nil }
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.hosts[address]
	n.mu.Unlock()
	if l == nil {
		return nil, errors.New("no such host")
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve puts a handler on the network.
func (n *network) serve(t *testing.T, address string, h http.Handler) {
	l := &listener{make(chan net.Conn), make(chan struct{})}
	n.mu.Lock()
	n.hosts[address] = l
	n.mu.Unlock()
	srv := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
}

// bulk is a small Bulk Data server. Its fields are what tests bend; its counters, what they look at.
type bulk struct {
	t     *testing.T
	net   *network
	files []*file

	mu       sync.Mutex
	token    string
	tokens   int // given so far
	requests []string
	polls    int
	deleted  bool
	kicked   int

	// before may answer a request itself; n counts the requests for the same path.
	before  func(w http.ResponseWriter, r *http.Request, n int) bool
	seen    map[string]int
	open    bool             // files without token
	counts  map[string]int64 // said in the manifest instead of the truth
	life    string           // expires_in, as JSON
	extra   func(m map[string]any)
	ready   int // polls answered 202 before the manifest
	heads   []http.Header
	fileURL func(f *file) string
}

// file is one file of the export.
type file struct {
	list, typ, name string
	body            []byte
	coding          string // "gzip": only as gzip; "": as asked for
	etag            string // "": a strong one; "-": none
	noRange         bool
}

func (f *file) sum() string {
	h := sha256.Sum256(f.body)
	return hex.EncodeToString(h[:])
}

func newBulk(t *testing.T, files ...*file) *bulk {
	b := &bulk{t: t, net: &network{hosts: map[string]*listener{}}, files: files, seen: map[string]int{}, life: "300", ready: 1}
	b.net.serve(t, "bulk.test:80", b)
	return b
}

// ndjson makes lines of a type that compress badly enough to be cut.
func ndjson(typ string, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		h := sha256.Sum256([]byte(typ + strconv.Itoa(i)))
		fmt.Fprintf(&b, `{"resourceType":%q,"id":"%x","note":"line \u2028 %d"}`+"\n", typ, h, i)
	}
	return b.Bytes()
}

func (b *bulk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.seen[r.Method+r.URL.Path]++
	n := b.seen[r.Method+r.URL.Path]
	b.requests = append(b.requests, r.Method+" "+r.URL.RequestURI())
	b.heads = append(b.heads, r.Header)
	before := b.before
	b.mu.Unlock()
	if before != nil && before(w, r, n) {
		return
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/.well-known/smart-configuration"):
		fmt.Fprintf(w, `{"token_endpoint":%q,"capabilities":["permission-v2"]}`, host+"/token")
	case r.URL.Path == "/token":
		b.giveToken(w, r)
	case strings.HasSuffix(r.URL.Path, "/$export"):
		if b.authorized(w, r) {
			b.count(&b.kicked)
			w.Header().Set("Content-Location", host+"/fhir/status/1")
			w.WriteHeader(http.StatusAccepted)
		}
	case r.URL.Path == "/fhir/status/1":
		if b.authorized(w, r) {
			b.status(w, r)
		}
	case strings.HasPrefix(r.URL.Path, "/fhir/files/"):
		if b.open || b.authorized(w, r) {
			b.serveFile(w, r, strings.TrimPrefix(r.URL.Path, "/fhir/files/"))
		}
	default:
		outcome(w, http.StatusNotFound, "not-found", "nothing here")
	}
}

func (b *bulk) count(n *int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	*n++
	return *n
}

func (b *bulk) giveToken(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") == "" || strings.Count(r.FormValue("client_assertion"), ".") != 2 {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_request"}`)
		return
	}
	b.mu.Lock()
	b.tokens++
	b.token = fmt.Sprintf("token-%d", b.tokens)
	b.mu.Unlock()
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%s,"scope":"system/*.rs"}`, b.token, b.life)
}

func (b *bulk) authorized(w http.ResponseWriter, r *http.Request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.token != "" && r.Header.Get("Authorization") == "Bearer "+b.token {
		return true
	}
	outcome(w, http.StatusUnauthorized, "login", "token missing or expired")
	return false
}

func (b *bulk) status(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		b.mu.Lock()
		b.deleted = true
		b.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if n := b.count(&b.polls); n <= b.ready {
		w.Header().Set("X-Progress", fmt.Sprintf("poll %d", n))
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusAccepted)
		return
	}
	m := map[string]any{
		"transactionTime": "2026-03-02T09:15:00Z", "request": host + "/fhir/Patient/$export", "requiresAccessToken": !b.open,
		"output": []any{}, "error": []any{},
	}
	for _, f := range b.files {
		e := map[string]any{"type": f.typ, "url": host + "/fhir/files/" + f.name}
		if b.fileURL != nil {
			e["url"] = b.fileURL(f)
		}
		if n, ok := b.counts[f.name]; !ok {
			e["count"] = bytes.Count(f.body, []byte("\n"))
		} else if n >= 0 {
			e["count"] = n
		}
		list, _ := m[f.list].([]any)
		m[f.list] = append(list, e)
	}
	if b.extra != nil {
		b.extra(m)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(m); err != nil {
		b.t.Error(err)
	}
}

func (b *bulk) file(name string) *file {
	for _, f := range b.files {
		if f.name == name {
			return f
		}
	}
	return nil
}

func (b *bulk) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	f := b.file(name)
	if f == nil {
		outcome(w, http.StatusNotFound, "not-found", "no such file")
		return
	}
	f.serve(w, r)
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	body, tag := f.body, `"`+f.sum()+`"`
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	if f.coding == "gzip" || strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && f.coding == "" {
		body, tag = zip(body), `"`+f.sum()+`-gz"`
		w.Header().Set("Content-Encoding", "gzip")
	}
	if f.etag != "" {
		tag = f.etag
	}
	if tag != "-" {
		w.Header().Set("ETag", tag)
	}
	if f.noRange {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func zip(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body)
	_ = z.Close()
	return b.Bytes()
}

func outcome(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/fhir+json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(fhir.NewOutcome("error", code, text)); err != nil {
		panic(err)
	}
}

// cutter cuts the body of an answer after so many bytes.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

var key = func() []byte {
	private, _, _, err := auth.GenerateKey("ES384")
	if err != nil {
		panic(err)
	}
	return private
}()

// options are what most tests pull with. The transport is closed at the end of the test.
func (b *bulk) options(dir string) Options {
	tr := NewTransport(nil)
	tr.Proxy, tr.DialContext = nil, b.net.dial
	b.t.Cleanup(tr.CloseIdleConnections)
	return Options{
		URL: host + "/fhir", ClientID: "loader", Key: key, Level: bulkdata.Patient, Dir: dir, HTTP: &http.Client{Transport: tr},
		Progress: func(s string) { b.t.Log(s) },
	}
}

// holds fails the test unless the folder has exactly the files of the server.
func (b *bulk) holds(res *Result) {
	b.t.Helper()
	got := res.Files()
	if len(got) != len(b.files) {
		b.t.Fatalf("%d files, want %d", len(got), len(b.files))
	}
	for i, f := range b.files {
		body, err := os.ReadFile(got[i].Path)
		if err != nil {
			b.t.Fatal(err)
		}
		if !bytes.Equal(body, f.body) || got[i].SHA256 != f.sum() || got[i].Bytes != int64(len(f.body)) {
			b.t.Errorf("%s: %d bytes, sum %.8s; want %d, %.8s", got[i].Path, len(body), got[i].SHA256, len(f.body), f.sum())
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(filepath.Dir(got[0].Path), "*.part*"))
	if err != nil || len(leftovers) > 0 {
		b.t.Errorf("left over: %v %v", leftovers, err)
	}
}

// in runs a test in a bubble whose clock jumps.
func in(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
