package stack

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"time"
)

// Balancer spreads requests over replicas, as a load balancer does: to one that does not take a request, the request is not lost.
type Balancer struct {
	Addr string
	srv  *http.Server
}

// NewBalancer listens on a free address for the given ones.
func NewBalancer(backends []string) (*Balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", backends[0], r.In.Host
		},
		Transport: spread{backends, &http.Transport{ResponseHeaderTimeout: 5 * time.Second, MaxIdleConnsPerHost: 16}},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	b := &Balancer{Addr: l.Addr().String(), srv: &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}}
	go func() { _ = b.srv.Serve(l) }() // ends with Close
	return b, nil
}

// Close stops it.
func (b *Balancer) Close() { _ = b.srv.Close() }

// spread tries the backends in turn, from a random one on, until one answers.
type spread struct {
	backends []string
	next     http.RoundTripper
}

func (s spread) RoundTrip(req *http.Request) (res *http.Response, err error) {
	var body []byte
	if req.Body != nil {
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	first := rand.IntN(len(s.backends))
	for i := range s.backends {
		try := req.Clone(req.Context())
		try.URL.Host = s.backends[(first+i)%len(s.backends)]
		try.Body = io.NopCloser(bytes.NewReader(body))
		if res, err = s.next.RoundTrip(try); err == nil {
			return res, nil
		}
	}
	return nil, err
}
