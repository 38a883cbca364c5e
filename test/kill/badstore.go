package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// What a store in a bad way does to requests, in percent; the rest is answered.
const (
	busyShare   = 20 // 503
	hungShare   = 5  // no answer, then the connection breaks
	deafShare   = 1  // done, but the answer is lost
	brokenShare = 5  // of reads: the connection breaks in the middle of the body
	slowShare   = 5  // of reads: a body in small pieces
	hungFor     = 8 * time.Second
)

// badStore puts a proxy in front of the store that does all of this, and exports through it.
func (l *loop) badStore(ctx context.Context) error {
	p := &badProxy{random: rand.New(rand.NewPCG(l.seed, 1)), served: map[string]int{}}
	direct := l.at
	stop, err := l.behind(p, p.spoil)
	if err != nil {
		return err
	}
	defer stop()
	if err := l.start(ctx); err != nil {
		return err
	}
	p.arm(true)
	d, err := l.export(ctx, filepath.Join(l.dir, "out"))
	p.arm(false)
	if err != nil {
		return err
	}
	l.at = direct // as good as it is, for the look at what is left
	fmt.Printf("%v; faults served: %v\n", d, p.served)
	if !d.None() {
		return errors.New("the rows are not those of the upstream")
	}
	for _, fault := range []string{"busy", "hung", "deaf", "broken", "slow"} {
		if p.served[fault] == 0 {
			return fmt.Errorf("the fault %q was never served: more patients are needed", fault)
		}
	}
	return l.swept(ctx)
}

// behind puts a proxy between the replicas and the bucket: in decides what becomes of a request, out of an answer.
func (l *loop) behind(in interface {
	serve(next http.Handler, w http.ResponseWriter, r *http.Request)
}, out func(*http.Response) error) (stop func(), err error) {
	at, err := url.Parse(l.at)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(at.Query().Get("endpoint"))
	if err != nil || target.Host == "" {
		return nil, errors.New("this needs -store with endpoint=")
	}
	next := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // requests are signed with it
	}, ModifyResponse: out, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)} // it breaks answers on purpose
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.serve(next, w, r) })}
	go func() { _ = server.Serve(listener) }() // ends with Close
	query := at.Query()
	query.Set("endpoint", "http://"+listener.Addr().String()+target.Path)
	at.RawQuery = query.Encode()
	l.at = at.String()
	return func() { _ = server.Close() }, nil
}

type badProxy struct {
	mu     sync.Mutex
	armed  bool
	random *rand.Rand
	served map[string]int
}

func (p *badProxy) arm(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = on
}

// draw tells whether a fault of this share is served now.
func (p *badProxy) draw(name string, share int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	hit := p.armed && p.random.IntN(100) < share
	if hit {
		p.served[name]++
	}
	return hit
}

func (p *badProxy) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	switch {
	case p.draw("busy", busyShare):
		w.WriteHeader(http.StatusServiceUnavailable)
	case p.draw("hung", hungShare):
		p.hang(r)
	case p.draw("deaf", deafShare):
		next.ServeHTTP(nowhere{http.Header{}}, r)
		p.hang(r)
	default:
		next.ServeHTTP(w, r)
	}
}

func (p *badProxy) hang(r *http.Request) {
	select {
	case <-time.After(hungFor):
	case <-r.Context().Done():
	}
	panic(http.ErrAbortHandler)
}

// spoil bends the bodies of objects that are read.
func (p *badProxy) spoil(res *http.Response) error {
	isObject := res.Request.Method == http.MethodGet && res.StatusCode < 300 && res.ContentLength > 100 && strings.Contains(res.Request.URL.Path, "/jobs/")
	switch {
	case isObject && p.draw("broken", brokenShare):
		res.Body = &spoiled{body: res.Body, left: res.ContentLength / 2}
	case isObject && p.draw("slow", slowShare):
		res.Body = &spoiled{body: res.Body, left: res.ContentLength + 1, pause: 5 * time.Millisecond}
	}
	return nil
}

// spoiled is a body that breaks off after so many bytes, or comes in small pieces.
type spoiled struct {
	body  io.ReadCloser
	left  int64
	pause time.Duration
}

func (s *spoiled) Read(b []byte) (int, error) {
	if s.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	if s.pause > 0 {
		time.Sleep(s.pause)
		b = b[:min(len(b), 4<<10)]
	}
	n, err := s.body.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	return n, err
}

func (s *spoiled) Close() error { return s.body.Close() }

// nowhere takes an answer that nobody hears.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// weakStore is the kill loop on a store without create-if-absent (E9): Redis decides who writes.
func (l *loop) weakStore(ctx context.Context) error {
	if !l.settings.redis {
		return errors.New("this needs -redis")
	}
	l.tags, l.env = "failpoints", []string{"SLUICE_NO_CONDITIONS=1"}
	if err := l.run(ctx); err != nil {
		return err
	}
	for _, r := range l.replicas {
		log, err := os.ReadFile(r.Log())
		if err != nil {
			return err
		}
		if !bytes.Contains(log, []byte("no create-if-absent")) {
			return fmt.Errorf("%s does not say that its store is weaker", r.Name)
		}
	}
	return nil
}
