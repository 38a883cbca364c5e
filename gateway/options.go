package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"sluice/audit"
	"sluice/auth"
	"sluice/bulkdata"
	"sluice/fhir"
	"sluice/jobs"
	"sluice/storage"
)

// Options are the parts and settings of a Gateway. PublicURL, Jobs, Store, Verifier, Audit, Upstream and Types are required.
type Options struct {
	PublicURL string // the FHIR base as clients see it; every absolute URL comes from here, never from the Host header
	TokenURL  string // default: scheme and host of PublicURL + /auth/token
	Version   string // of this program, for the User-Agent towards the upstream and the status page

	Jobs     *jobs.Store
	Store    storage.Store
	Verifier *auth.Verifier
	Tokens   *auth.TokenEndpoint // nil: tokens come from elsewhere, and TokenURL names where
	Audit    Auditor
	Upstream Upstream

	// Types returns the types that can be exported at a level, those followed by reference included.
	Types  func(context.Context, bulkdata.Level) ([]string, error)
	Levels []bulkdata.Level // default: all three
	Scopes []string         // offered in the SMART configuration; default: auth.Discovery's

	ProxyMode         string         // what happens to requests that are no exports: "off", "read" (default) or "all"
	StrictPrefer      bool           // refuse a kick-off without Prefer: respond-async; default: assume it
	GroupWithoutScope bool           // let clients export a Group without a scope to read it; default: refuse (SCP-07)
	Retention         time.Duration  // how long files stay where the manifest does not say it itself; 24 h
	TrustedProxies    []netip.Prefix // peers whose X-Forwarded-For is believed; default: nobody
	Limits            Limits
	AdminToken        string // wanted as bearer token, or as basic password, for exports and the page of the admin listener; "": loopback only

	Log            *slog.Logger
	Metrics        Metrics
	MetricsHandler http.Handler     // behind /metrics; nil: 404
	Facts          func() []Fact    // state of the upstream client and such, for the status page
	Cancelled      func(job string) // told at once when a job is cancelled or deleted here
}

// Auditor keeps the audit log; *audit.Log is one. What cannot be written does not happen: an error refuses the request.
type Auditor interface {
	Write(ctx context.Context, e audit.Event) error
	Ready() error
}

// Upstream is what the gateway needs of the FHIR server behind it; *upstream.Client is one.
type Upstream interface {
	Capability(ctx context.Context) (*fhir.Capability, error)
	GroupStatus(ctx context.Context, id string) (exists, known bool)
	RoundTripper() http.RoundTripper
	BaseURL() *url.URL
	Ready(ctx context.Context) error
}

// Limits bound what one client or address may ask for. Zero takes the default, a negative number means no limit.
type Limits struct {
	KickoffsPerHour int // of one client; 60
	PollsPerSecond  int // of one export's status by its client; 1
	TokensPerMinute int // from one address, and of one client; 120
}

// Metrics are told what happens. Every func may be nil, is called from many goroutines, and gets only values of bounded number.
type Metrics struct {
	Request  func(route, method string, status int, took time.Duration) // after each answer; route is a template
	Kickoff  func(level bulkdata.Level, outcome string)                 // "accepted" or "refused"
	Token    func(outcome string)                                       // "issued" or an OAuth error code
	Denied   func(reason string)                                        // "token", "owner", "scope", "group"
	Download func(coding string, bytes int64, whole bool)               // after each transfer
}

// Fact is one line about the state of this process, for the status page.
type Fact struct{ Name, Value string }

// fill checks the options and sets the defaults.
func (o *Options) fill() (public *url.URL, err error) {
	if o.Jobs == nil || o.Store == nil || o.Verifier == nil || o.Audit == nil || o.Upstream == nil || o.Types == nil {
		return nil, errors.New("gateway: Jobs, Store, Verifier, Audit, Upstream and Types are needed")
	}
	public, err = url.Parse(strings.TrimSuffix(o.PublicURL, "/"))
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" ||
		public.User != nil || public.RawQuery != "" || public.Fragment != "" {
		return nil, fmt.Errorf("gateway: public URL: want an absolute http or https URL without user, query or fragment")
	}
	if _, ok := canonicalPath(public.EscapedPath()); !ok && public.Path != "" {
		return nil, fmt.Errorf("gateway: public URL: want a path of A-Z a-z 0-9 - . _ ~ only")
	}
	o.PublicURL = public.String()
	if o.TokenURL == "" {
		o.TokenURL = public.Scheme + "://" + public.Host + "/auth/token"
	}
	switch o.ProxyMode {
	case "":
		o.ProxyMode = proxyRead
	case proxyOff, proxyRead, proxyAll:
	default:
		return nil, fmt.Errorf("gateway: proxy mode %q: want off, read or all", o.ProxyMode)
	}
	if o.Levels == nil {
		o.Levels = []bulkdata.Level{bulkdata.System, bulkdata.Patient, bulkdata.Group}
	}
	def(&o.Retention, 24*time.Hour)
	def(&o.Limits.KickoffsPerHour, 60)
	def(&o.Limits.PollsPerSecond, 1)
	def(&o.Limits.TokensPerMinute, 120)
	def(&o.Version, "dev")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Metrics.fill()
	return public, nil
}

func (m *Metrics) fill() {
	if m.Request == nil {
		m.Request = func(string, string, int, time.Duration) {}
	}
	if m.Kickoff == nil {
		m.Kickoff = func(bulkdata.Level, string) {}
	}
	if m.Token == nil {
		m.Token = func(string) {}
	}
	if m.Denied == nil {
		m.Denied = func(string) {}
	}
	if m.Download == nil {
		m.Download = func(string, int64, bool) {}
	}
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o *Options) offers(level bulkdata.Level) bool { return slices.Contains(o.Levels, level) }
