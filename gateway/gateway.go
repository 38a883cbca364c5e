package gateway

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// Gateway answers the requests of both listeners. It is safe for concurrent use, starts no goroutine and needs no Close.
type Gateway struct {
	o         Options
	base      string // the public FHIR base, without a slash at the end
	path      string // its path: what the routes begin with
	tokenPath string
	bases     []string // of the upstream, its own first

	records   *records
	metadata  merged
	proxy     *httputil.ReverseProxy
	kickoffs  *limiter     // by client
	polls     *limiter     // by client and job
	tokens    *limiter     // by address
	grants    *limiter     // by client
	denials   *limiter     // by client or address
	unwritten atomic.Int64 // denials that went past the audit log since the last one in it

	public, admin http.Handler
}

// Public returns the handler of the listener that clients see.
func (g *Gateway) Public() http.Handler { return g.public }

// Admin returns the handler of the operator's listener, which must never be reachable for clients.
func (g *Gateway) Admin() http.Handler { return g.admin }

// New checks the options and builds both handlers. It asks nothing of anybody yet.
func New(o Options) (*Gateway, error) {
	public, err := o.fill()
	if err != nil {
		return nil, err
	}
	token, err := url.Parse(o.TokenURL)
	if err != nil || token.Host == "" || token.Path == "" {
		return nil, fmt.Errorf("gateway: token URL: want an absolute URL with a path")
	}
	g := &Gateway{
		o:         o,
		base:      o.PublicURL,
		path:      public.Path,
		tokenPath: token.Path,
		bases:     basesOf(o.Upstream),
		records:   newRecords(o.Store),
		kickoffs:  newLimiter(o.Limits.KickoffsPerHour, time.Hour, o.Limits.KickoffsPerHour),
		polls:     newLimiter(o.Limits.PollsPerSecond, time.Second, 10*o.Limits.PollsPerSecond),
		tokens:    newLimiter(o.Limits.TokensPerMinute, time.Minute, o.Limits.TokensPerMinute),
		grants:    newLimiter(o.Limits.TokensPerMinute, time.Minute, o.Limits.TokensPerMinute),
		denials:   newLimiter(60, time.Minute, 60),
	}
	g.proxy = g.newProxy()
	g.public = g.front(faceFHIR, g.publicRoutes())
	g.admin = g.front(faceAdmin, http.NewCrossOriginProtection().Handler(g.adminRoutes()))
	return g, nil
}
