package pull

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/bulkdata"
)

// Options say what to export from where, and into which folder.
type Options struct {
	URL string // FHIR base

	// ClientID and Key are what the client is registered with; without ClientID no token is asked for. Key is a private JWK, a JWK set
	// whose first key is taken, or a private key in PEM: EC P-384 or RSA.
	ClientID string
	Key      []byte
	KID      string // kid of the assertion; "": the JWK's own, else its thumbprint
	TokenURL string // "": as the server's discovery document says
	Scope    string // "": system/*.rs, or system/*.read for a server that knows no other

	Level   bulkdata.Level
	GroupID string
	Types   []string
	Since   string

	Dir      string // made if need be; holds one pull
	Parallel int    // files at once; default 4
	NoGzip   bool   // ask for the files uncompressed

	// TokenOrigins are other origins (https://files.example.org) that may see the access token besides that of URL.
	TokenOrigins []string
	// Patience is how long a server that does not answer, or answers that it cannot now, is asked again; default 5 minutes.
	Patience time.Duration
	// Detach leaves the export running on the server when ctx ends; the next Run with the same folder goes on with it.
	Detach bool

	// HTTP sends the requests; default: a client with NewTransport(nil). Its way with redirects is not used.
	HTTP *http.Client
	// Progress is told in lines what happens and what the server says. It may be called from several goroutines, one at a time.
	Progress func(line string)
	Reporter Reporter // told how the downloads advance
}

// Reporter is told how the downloads advance. Its methods are called from several goroutines at once; for one name in order.
type Reporter interface {
	// Files tells how many there are in all, and how many of them were whole before.
	Files(all, whole int)
	// Start begins a file.
	Start(name string)
	// Advance tells how much of it is there, as it comes over the wire; size is -1 while unknown. have can fall when a server
	// cannot go on in mid-file.
	Advance(name string, have, size int64)
	// End ends a file; f is filled when err is nil.
	End(name string, f File, err error)
}

// NewTransport returns a transport with time-outs set that trusts the given roots, nil: the system's.
func NewTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   16,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // a file is stored as it comes, so that it can be resumed
	}
}

// check fills in the defaults.
func (o Options) check() (Options, *url.URL, error) {
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return o, nil, permanentf("the FHIR base: want an absolute http or https URL without query")
	}
	if o.ClientID != "" && len(o.Key) == 0 {
		return o, nil, permanentf("client %s has no key", o.ClientID)
	}
	if o.Dir == "" {
		return o, nil, permanent{errors.New("no folder for the files")}
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.Patience <= 0 {
		o.Patience = 5 * time.Minute
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Transport: NewTransport(nil)}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	return o, base, nil
}

// silent is the Reporter of who wants none.
type silent struct{}

func (silent) Files(int, int)               {}
func (silent) Start(string)                 {}
func (silent) Advance(string, int64, int64) {}
func (silent) End(string, File, error)      {}
