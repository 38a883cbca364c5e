package fhirserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Name is what the server calls itself.
const Name = "Sluice FHIR test server (FHIR Server; FHIR 4.0.1/R4)"

// mediaType is how answers are labelled, as HAPI does.
const mediaType = "application/fhir+json;charset=utf-8"

// ServeHTTP serves the FHIR API below Options.Base.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.newCall(w, r)
	c.N = s.counter.begin(c)
	out := &sender{w: w, r: r}
	defer func() { s.counter.end(out.status, out.bytes) }()
	var f *Fault
	if s.o.Faults != nil {
		c.Try = s.counter.try(r, c.form)
		f = s.o.Faults(&c.Request)
	}
	if f == nil {
		f = &Fault{}
	} else if name := f.name(); name != "" {
		s.counter.fault(name)
	}
	if !wait(r, s.o.Delay+f.Delay) {
		return
	}
	if f.Hang {
		<-r.Context().Done()
		return
	}
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	var a *answer
	if f.Status != 0 || f.Body != nil || f.Write != nil {
		a = f.answer()
	} else {
		a = s.answer(c, f)
		if s.o.Pretty || c.Query.Get("_pretty") == "true" {
			a.indent()
		}
	}
	s.headers(w.Header(), a, c.N)
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	out.send(a, f, s.o.Gzip)
}

// wait waits, unless the client goes away first.
func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

// headers are those of every answer. Refusals carry Date and Server twice: HAPI
// on Jetty does it, and clients must bear it.
func (s *Server) headers(h http.Header, a *answer, n int64) {
	for name, values := range a.header {
		h[name] = values
	}
	now := httpTime(s.o.Clock())
	h["Date"], h["Server"] = []string{now}, []string{"fhirserver"}
	if a.status >= 400 {
		h["Date"], h["Server"] = []string{now, now}, []string{"fhirserver", "fhirserver"}
	}
	h.Set("X-Powered-By", Name)
	h.Set("X-Request-ID", strings.ReplaceAll(uuid("request", strconv.FormatInt(n, 10)), "-", "")[:16])
	if a.kind == "" {
		a.kind = mediaType
	}
	h.Set("Content-Type", a.kind)
}

func (a *answer) indent() {
	var b bytes.Buffer
	if json.Indent(&b, a.body, "", "  ") == nil {
		a.body = b.Bytes()
	}
}

// sender writes one answer, or as much of it as a fault lets through.
type sender struct {
	w      http.ResponseWriter
	r      *http.Request
	status int // sent; 0 when nothing was
	bytes  int64
}

var gzipPool = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	return z
}}

func (o *sender) send(a *answer, f *Fault, zip bool) {
	o.status = a.status
	o.bytes = int64(len(a.body))
	if f.Write != nil {
		o.w.WriteHeader(a.status)
		if f.Write(o.w) != nil {
			panic(http.ErrAbortHandler)
		}
		return
	}
	body := a.body
	if zip && strings.Contains(o.r.Header.Get("Accept-Encoding"), "gzip") && o.w.Header().Get("Content-Encoding") == "" {
		body = zipped(body)
		o.w.Header().Set("Content-Encoding", "gzip")
	}
	if f.WholeLength {
		o.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	o.w.WriteHeader(a.status)
	if f.CutAfter > 0 {
		body = body[:int(float64(len(body))*min(f.CutAfter, 1))]
	}
	if !o.write(body, f.BytesPerSecond) {
		return
	}
	if f.CutAfter > 0 {
		o.flush()
		panic(http.ErrAbortHandler)
	}
}

// write writes in one go, or dribbles; false when the client is gone.
func (o *sender) write(body []byte, perSecond int) bool {
	if perSecond <= 0 {
		_, err := o.w.Write(body)
		return err == nil
	}
	step := max(1, perSecond/10)
	for len(body) > 0 {
		n := min(step, len(body))
		if _, err := o.w.Write(body[:n]); err != nil {
			return false
		}
		o.flush()
		body = body[n:]
		if !wait(o.r, time.Duration(n)*time.Second/time.Duration(perSecond)) {
			return false
		}
	}
	return true
}

func (o *sender) flush() {
	// An error means the client is gone; the next write tells.
	_ = http.NewResponseController(o.w).Flush()
}

func zipped(body []byte) []byte {
	var b bytes.Buffer
	z := gzipPool.Get().(*gzip.Writer)
	defer gzipPool.Put(z)
	z.Reset(&b)
	_, err := z.Write(body)
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(fmt.Errorf("gzip to memory: %w", err))
	}
	return b.Bytes()
}
