package gateway

import (
	"context"
	"errors"
	"io"
	"log"
	"mime"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/fhir"
)

const (
	maxSearchForm = 64 << 10 // body of POST _search
	maxWriteBody  = 16 << 20 // body of other requests that pass
)

// passThrough: DISC-15, everything under the base that is not ours. What can never pass is 404 without a question; what may pass takes a
// token that covers it, and is in the audit log before the upstream hears of it.
func (g *Gateway) passThrough(c echo.Context) error {
	r := c.Request()
	rest := strings.Trim(strings.TrimPrefix(r.URL.Path, g.path), "/")
	var path []string
	if rest != "" {
		path = strings.Split(rest, "/")
	}
	pass, ok := findPassage(g.o.ProxyMode, r.Method, path, r.URL.RawQuery != "")
	if !ok {
		return notFound()
	}
	p, err := g.authenticate(r)
	if err != nil {
		return err
	}
	out, err := readPassing(c.Response().Writer, r, pass)
	if err != nil {
		return err
	}
	var refusal *problem
	if out.query, refusal = mayPass(p, pass, out.query); refusal != nil {
		g.denied(r, "scope", "", "pass-through outside the rights of the client")
		return refusal
	}
	e := event(r, passedThrough, audit.OK, "", "request passed to the FHIR server")
	e.Fields = map[string]any{"method": r.Method, "resourceType": pass.typ, "token": p.JTI}
	if err := g.record(r.Context(), e); err != nil {
		return err
	}
	out.path = rest
	r = r.WithContext(context.WithValue(r.Context(), passingKey{}, out))
	g.proxy.ServeHTTP(c.Response().Writer, r)
	return nil
}

// passedThrough is the audit type of requests that are no exports. The event names the type of resource and never an id: a Patient's
// id is a fact about a person.
const passedThrough = "pass-through"

// passing is what goes upstream of a request.
type passing struct {
	path  string // below the base
	query []param
	form  bool // query is the body
	body  io.ReadCloser
	size  int64
	media string
}

type passingKey struct{}

// readPassing reads what the rules have to see, and bounds what they do not.
func readPassing(w http.ResponseWriter, r *http.Request, pass passage) (*passing, error) {
	query, refusal := parseParams(r.URL.RawQuery)
	if refusal != nil {
		return nil, refusal
	}
	out := &passing{query: query, form: pass.form, body: http.NoBody}
	if r.Header.Get("If-None-Exist") != "" { // dropping it would make a create unconditional
		return nil, fail(http.StatusBadRequest, "not-supported", "conditional create is not supported here")
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case pass.form:
		if media != "application/x-www-form-urlencoded" {
			return nil, fail(http.StatusUnsupportedMediaType, "not-supported", "a search by POST is a form")
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSearchForm))
		if err != nil {
			return nil, err
		}
		form, refusal := parseParams(string(body))
		if refusal != nil {
			return nil, refusal
		}
		if hasAccessToken(string(body)) {
			return nil, fail(http.StatusBadRequest, "security", "an access token belongs into the Authorization header and nowhere else")
		}
		out.query = append(query, form...)
	case pass.writes && r.ContentLength != 0:
		if media != fhir.MediaType && media != "application/json" && media != "application/json-patch+json" {
			return nil, fail(http.StatusUnsupportedMediaType, "not-supported", "JSON is the only format here")
		}
		out.body, out.size, out.media = http.MaxBytesReader(w, r.Body, maxWriteBody), r.ContentLength, media
	case r.ContentLength != 0:
		return nil, fail(http.StatusBadRequest, "invalid", "a body is not expected here")
	}
	if out.query, refusal = onlyJSON(out.query); refusal != nil {
		return nil, refusal
	}
	return out, nil
}

// newProxy: Rewrite rather than Director, so that nothing of the inbound request goes upstream by default (S13, S14).
func (g *Gateway) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:      g.o.Upstream.RoundTripper(),
		BufferPool:     buffers{},
		Rewrite:        g.toUpstream,
		ModifyResponse: g.fromUpstream,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			g.writeError(w, r, passError(err))
		},
		ErrorLog: log.New(io.Discard, "", 0), // its lines name URLs
	}
}

// sentUpstream are the headers of the client that go upstream; all others are ours or none.
var sentUpstream = []string{"Accept-Language", "If-Match", "If-None-Match", "If-Modified-Since"}

func (g *Gateway) toUpstream(pr *httputil.ProxyRequest) {
	out := pr.In.Context().Value(passingKey{}).(*passing)
	base := g.o.Upstream.BaseURL()
	u := &url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(base.Path, "/")}
	if out.path != "" {
		u.Path += "/" + out.path
	}
	h := http.Header{}
	for _, name := range sentUpstream {
		if values := pr.In.Header.Values(name); len(values) == 1 {
			h.Set(name, values[0])
		}
	}
	if prefer := pr.In.Header.Get("Prefer"); strings.HasPrefix(prefer, "return=") || strings.HasPrefix(prefer, "handling=") {
		h.Set("Prefer", prefer)
	}
	h.Set("Accept", fhir.MediaType)
	h.Set("User-Agent", "sluice/"+g.o.Version)
	h.Set("X-Request-Id", exchangeOf(pr.In.Context()).id)
	body, size := out.body, out.size
	if out.form {
		encoded := encodeParams(out.query)
		body, size = io.NopCloser(strings.NewReader(encoded)), int64(len(encoded))
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		u.RawQuery = encodeParams(out.query)
		if out.media != "" {
			h.Set("Content-Type", out.media)
		}
	}
	pr.Out.URL, pr.Out.Host, pr.Out.Header = u, "", h
	pr.Out.Body, pr.Out.ContentLength, pr.Out.TransferEncoding, pr.Out.Trailer = body, size, nil, nil
	if size == 0 {
		pr.Out.Body = http.NoBody
	}
}

// passError is what a client hears when the upstream does not answer.
func passError(err error) error {
	var p *problem
	var tooLarge *http.MaxBytesError
	if errors.As(err, &p) || errors.As(err, &tooLarge) {
		return err
	}
	var paused interface {
		Unavailable() (time.Duration, bool)
	}
	if errors.As(err, &paused) {
		if wait, ok := paused.Unavailable(); ok {
			p = unavailable(err)
			return p.retry(wait)
		}
	}
	p = fail(http.StatusBadGateway, "transient", "the FHIR server behind this one did not answer")
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		p = fail(http.StatusGatewayTimeout, "timeout", "the FHIR server behind this one did not answer in time")
	}
	p.cause = withoutURL(err)
	return p
}

// withoutURL takes the URL out of an error of net/http: its query may name a patient.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// buffers lend the copy loop of the proxy its buffer.
type buffers struct{}

const proxyBuffer = 32 << 10

var proxyBuffers = sync.Pool{New: func() any { return new([proxyBuffer]byte) }}

func (buffers) Get() []byte  { return proxyBuffers.Get().(*[proxyBuffer]byte)[:] }
func (buffers) Put(b []byte) { proxyBuffers.Put((*[proxyBuffer]byte)(b)) }
