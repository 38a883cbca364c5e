package config

import (
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// Upstream is the FHIR server behind Sluice, and how politely it is asked.
type Upstream struct {
	// URL is the FHIR base of the server. Required.
	URL string `yaml:"url"`
	// Profile is the name of a built-in vendor profile, or the path of a YAML file with one.
	Profile string `yaml:"profile"`
	// BaseAliases are other bases of the same server that may appear in its next links. They are asked at url all the same.
	BaseAliases []string `yaml:"base_aliases"`
	// Auth signs the requests to the server.
	Auth UpstreamAuth `yaml:"auth"`
	// CAFile holds the private certificate authorities of the server, in PEM, besides those of the system.
	CAFile string `yaml:"ca_file"`
	// ProxyURL is an HTTP proxy on the way to the server. Empty: none, whatever the environment says.
	ProxyURL SecretURL `yaml:"proxy_url"`
	// ProxyURLFile is a file that holds proxy_url.
	ProxyURLFile string `yaml:"proxy_url_file"`
	// Headers are fixed headers of every request to the server, by name.
	Headers map[string]Secret `yaml:"headers"`
	// HeadersFile names for each header a file that holds its value.
	HeadersFile map[string]string `yaml:"headers_file"`
	// Rate is the most export requests a second, of all replicas together. 0: no limit.
	Rate float64 `yaml:"rate"`
	// Burst is how many requests may come at once after a quiet time.
	Burst int `yaml:"burst"`
	// Concurrency is the most export requests in flight, of all replicas together.
	Concurrency int `yaml:"concurrency"`
	// PageSize is the _count of searches. Servers may send less.
	PageSize int `yaml:"page_size"`
	// Timeout is the longest that one request may take, its whole answer included.
	Timeout time.Duration `yaml:"timeout"`
	// Schedule lists times of the week with another rate and concurrency. Not supported by this version: leave it empty.
	Schedule []Window `yaml:"schedule"`
}

func defaultUpstream() Upstream {
	return Upstream{
		Profile:     "generic",
		Auth:        UpstreamAuth{Type: "none"},
		Rate:        20,
		Burst:       20,
		Concurrency: 8,
		PageSize:    500,
		Timeout:     time.Minute,
	}
}

func (u *Upstream) validate(k *check) {
	if u.URL == "" {
		k.say("upstream.url", "missing, expected the FHIR base of the server behind Sluice, such as https://fhir.example.org/r4")
	} else {
		k.base("upstream.url", u.URL)
	}
	for _, a := range u.BaseAliases {
		k.base("upstream.base_aliases", a)
	}
	if u.Profile == "" {
		k.say("upstream.profile", "missing, expected a built-in name such as generic, or the path of a YAML file")
	}
	if u.ProxyURL.IsSet() {
		k.url("upstream.proxy_url", u.ProxyURL.Reveal())
	}
	for name := range u.Headers {
		if !headerName(name) || slices.Contains(ownHeaders, textproto.CanonicalMIMEHeaderKey(name)) {
			k.bad("upstream.headers", quoted(name), "the name of an HTTP header other than "+strings.Join(ownHeaders, ", "))
		}
	}
	u.Auth.validate(k)
	k.readable("upstream.ca_file", u.CAFile)
	if u.Rate < 0 {
		k.bad("upstream.rate", number(u.Rate), "requests a second; 0 for no limit")
	}
	k.between("upstream.burst", u.Burst, 1, 10_000)
	k.between("upstream.concurrency", u.Concurrency, 1, 1_000)
	k.between("upstream.page_size", u.PageSize, 1, 10_000)
	k.duration("upstream.timeout", u.Timeout, time.Second, time.Hour)
	for i := range u.Schedule {
		u.Schedule[i].validate(k)
	}
	if len(u.Schedule) > 0 {
		k.say("upstream.schedule", "not supported by this version: set upstream.rate and upstream.concurrency to what holds at all times, and remove it")
	}
}

// headerName says if s is a token as HTTP wants it.
func headerName(s string) bool {
	for _, r := range s {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return s != ""
}

// ownHeaders are set by the transport or by upstream.auth.
var ownHeaders = []string{"Authorization", "Connection", "Content-Length", "Host", "Transfer-Encoding"}
