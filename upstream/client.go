package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"sluice/fhir"
)

// Options configure a Client. Only URL is required.
type Options struct {
	// URL is the base of the upstream, such as https://fhir.example.org/r4.
	URL string
	// Aliases are other bases by which the upstream calls itself in next links and references. Nothing is ever sent there.
	Aliases []string
	// Profile is the name of a built-in vendor profile or the path of a YAML file; default "generic".
	Profile string
	// Transport sends and signs; default NewTransport without options. See NewTransport for what it must not do.
	Transport http.RoundTripper
	// Headers are added to every request, for instance a client id header.
	Headers map[string]string
	// UserAgent is sent with every request; default "Sluice".
	UserAgent string

	// Rate is the number of requests a second, exports and pass-through together; 0 means no limit. Burst is how many may come at
	// once; default one second's worth.
	Rate  float64
	Burst int
	// Concurrency is the number of export requests in flight; default 8. Reserve is the number of others (pass-through, health,
	// kick-off checks) beside them; default a quarter of Concurrency, at least 2.
	Concurrency, Reserve int
	// Limiter is a rate limit that is shared by all replicas; the local one stays as a second wall.
	Limiter Limiter

	// PageSize is the _count to ask for; default 500, negative for none.
	PageSize int
	// Timeout bounds one exchange: its headers and its body, plus one second for each MiB received; default 60 s.
	Timeout time.Duration
	// MaxResource bounds one resource (default 64 MiB), MaxGroup a Group that is read (default 256 MiB), MaxEntries the entries of a
	// page (default 10,000).
	MaxResource, MaxGroup int64
	MaxEntries            int

	// Types narrows the plan to these types; nil means all. Follow lists the types that are followed by reference.
	Types, Follow []string

	// Log gets requests at debug level, pauses and breaker changes above it; default none.
	Log *slog.Logger
}

// Client asks one upstream. Its methods may be called by many goroutines at once.
type Client struct {
	o       Options
	base    base
	aliases []base // longest path first
	profile *profile

	transport http.RoundTripper // guarded and counted
	http      *http.Client
	limiter   Limiter
	breaker   *breaker
	slots     *slots       // exports
	reserve   *slots       // pass-through and health
	replicas  atomic.Int64 // among which the concurrency is shared

	paused    atomic.Int64 // Unix nanoseconds: the end of the longest pause the upstream asked for
	lastGood  atomic.Int64 // Unix nanoseconds: when it last answered well
	away      atomic.Bool  // it was said that it cannot be asked
	budget    budget
	throttles atomic.Int32 // 429s in a row that did not say how long to wait
	health    health
	meta      capabilityCache
	counters  counters
}

// New returns a Client, or an error that names every wrong option.
func New(o Options) (*Client, error) {
	setDefaults(&o)
	c := &Client{o: o, slots: newSlots(o.Concurrency), reserve: newSlots(o.Reserve), meta: newCapabilityCache(), health: newHealth()}

	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	c.base, err = parseBase(o.URL)
	check(err)
	c.aliases, err = parseAliases(o.Aliases)
	check(err)
	c.profile, err = loadProfile(o.Profile)
	check(err)
	check(checkTypes("types", o.Types))
	check(checkTypes("follow", o.Follow))
	if o.Rate < 0 {
		check(errors.New("rate is negative"))
	}
	if o.Transport == nil {
		o.Transport, err = NewTransport(TransportOptions{Concurrency: o.Concurrency + o.Reserve})
		check(err)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("upstream: %w", errors.Join(errs...))
	}

	c.transport = &guard{base: c.base, next: o.Transport, counters: &c.counters}
	c.http = &http.Client{Transport: c.transport, CheckRedirect: c.checkRedirect}
	c.limiter = NewLimiter(o.Rate, o.Burst)
	if o.Limiter != nil {
		c.limiter = walled{o.Limiter, NewLimiter(o.Rate, o.Burst)}
	}
	c.replicas.Store(1)
	c.breaker = newBreaker(func(until time.Time) {
		c.o.Log.Warn("upstream breaker open", "until", until)
		c.trip(until)
	})
	return c, nil
}

func setDefaults(o *Options) {
	if o.Profile == "" {
		o.Profile = "generic"
	}
	if o.UserAgent == "" {
		o.UserAgent = "Sluice"
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 8
	}
	if o.Reserve <= 0 {
		o.Reserve = max(2, o.Concurrency/4)
	}
	if o.PageSize == 0 {
		o.PageSize = 500
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.MaxResource <= 0 {
		o.MaxResource = 64 << 20
	}
	if o.MaxGroup <= 0 {
		o.MaxGroup = 256 << 20
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = 10_000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func checkTypes(name string, types []string) error {
	for _, t := range types {
		if !fhir.ValidType(t) {
			return fmt.Errorf("%s: %q is no FHIR R4 resource type", name, t)
		}
	}
	return nil
}

// BaseURL returns the base of the upstream, without a slash at its end.
func (c *Client) BaseURL() *url.URL {
	u := *c.base.url
	return &u
}

// Bases returns the base and its aliases, as configured but for a slash at the end: absolute references below one of them are the
// upstream's own.
func (c *Client) Bases() []string {
	all := []string{c.base.String()}
	for _, a := range c.o.Aliases {
		all = append(all, strings.TrimRight(a, "/"))
	}
	return all
}
