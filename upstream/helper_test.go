package upstream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"sluice/fhir"
	"sluice/upstream"
)

// sink collects what a page gives.
type sink struct {
	ids    []string
	resets int
	fail   error // returned at the first entry
}

func (s *sink) Reset() { s.ids = nil; s.resets++ }

func (s *sink) Entry(e fhir.Entry) error {
	if s.fail != nil {
		return s.fail
	}
	h, err := fhir.Peek(e.Resource)
	if err != nil {
		return err
	}
	s.ids = append(s.ids, h.ResourceType+"/"+h.ID)
	return nil
}

// page is the body of a searchset.
func page(next string, ids ...string) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"searchset"`)
	if next != "" {
		link, _ := json.Marshal(next)
		fmt.Fprintf(&b, `,"link":[{"relation":"next","url":%s}]`, link)
	}
	b.WriteString(`,"entry":[`)
	for i, id := range ids {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"resource":{"resourceType":"Observation","id":%q},"search":{"mode":"match"}}`, id)
	}
	b.WriteString(`]}`)
	return b.String()
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/fhir+json;charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

const outcome = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"%s","diagnostics":"secret of Mr Smith"}]}`

// serve starts a plain server and returns a client of its base /fhir.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*upstream.Options)) (*upstream.Client, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return newClient(t, s.URL+"/fhir", change...), s
}

func newClient(t *testing.T, url string, change ...func(*upstream.Options)) *upstream.Client {
	t.Helper()
	o := upstream.Options{URL: url}
	for _, f := range change {
		f(&o)
	}
	c, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serveBubble is serve for virtual time: the connections are in memory. Call it inside synctest.Test.
func serveBubble(t *testing.T, h http.HandlerFunc, change ...func(*upstream.Options)) *upstream.Client {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(l) })
	tr, err := upstream.NewTransport(upstream.TransportOptions{Concurrency: 8})
	if err != nil {
		t.Fatal(err)
	}
	tr.DialContext = l.dial
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		srv.Close()
		wg.Wait()
	})
	return newClient(t, "http://up.example/fhir", append([]func(*upstream.Options){func(o *upstream.Options) { o.Transport = tr }}, change...)...)
}

// pipes is a net.Listener in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// observations is the search of one patient's Observations.
func observations(t *testing.T) fhir.Query {
	t.Helper()
	q, err := fhir.PatientQuery("Observation", "patient", "p1")
	if err != nil {
		t.Fatal(err)
	}
	return q
}
