package config

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Server says where Sluice listens and what clients see of it.
type Server struct {
	// Listen is the address and port of the public listener: the FHIR base, the token endpoint, exports and files.
	Listen string `yaml:"listen"`
	// AdminListen is the address and port of the admin listener: health, metrics, operator page. Never the public one. Any address
	// other than loopback needs admin_token.
	AdminListen string `yaml:"admin_listen"`
	// AdminToken is the bearer token that the admin listener asks for, except for /healthz, /readyz and /metrics. Empty: none is asked for.
	AdminToken Secret `yaml:"admin_token"`
	// AdminTokenFile is a file that holds admin_token.
	AdminTokenFile string `yaml:"admin_token_file"`
	// PublicURL is the FHIR base as clients see it. All absolute URLs that Sluice hands out come from here, never from a request.
	PublicURL string `yaml:"public_url"`
	// TLS is the certificate of the public listener.
	TLS TLS `yaml:"tls"`
	// BehindTLSProxy says that a proxy in front ends TLS, so that plain HTTP on other addresses than loopback is meant.
	BehindTLSProxy bool `yaml:"behind_tls_proxy"`
	// TrustedProxies are the addresses or networks (192.0.2.0/24) of proxies whose X-Forwarded-For is believed. Empty: nobody's.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Proxy is what happens to requests that are not exports: off (404), read (only searches and reads go to the upstream) or all.
	Proxy string `yaml:"proxy"`
}

// TLS names a certificate and its key. Both or none.
type TLS struct {
	// CertFile is the certificate with its chain, in PEM.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the key of the certificate, in PEM.
	KeyFile string `yaml:"key_file"`
}

func defaultServer() Server {
	return Server{
		Listen:      "127.0.0.1:8080",
		AdminListen: "127.0.0.1:8081",
		PublicURL:   "http://127.0.0.1:8080/fhir",
		Proxy:       "read",
	}
}

// Base returns public_url without a slash at its end.
func (s *Server) Base() string { return strings.TrimSuffix(s.PublicURL, "/") }

func (s *Server) validate(k *check) {
	if k.address("server.listen", s.Listen) {
		s.validateTLS(k)
	}
	if k.address("server.admin_listen", s.AdminListen) && !loopback(s.AdminListen) && !s.AdminToken.IsSet() {
		k.say("server.admin_token", "missing; it is needed because server.admin_listen is not on loopback")
	}
	if s.Listen == s.AdminListen && !strings.HasSuffix(s.Listen, ":0") {
		k.bad("server.admin_listen", quoted(s.AdminListen), "another address than server.listen")
	}
	k.oneOf("server.proxy", s.Proxy, "off", "read", "all")
	for _, p := range s.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(p); err != nil {
			k.bad("server.trusted_proxies", quoted(p), "an address or a network such as 192.0.2.0/24")
		}
	}
	s.validatePublicURL(k)
}

func (s *Server) validateTLS(k *check) {
	switch cert, key := s.TLS.CertFile != "", s.TLS.KeyFile != ""; {
	case cert && !key:
		k.say("server.tls.key_file", "missing; a certificate needs its key")
	case key && !cert:
		k.say("server.tls.cert_file", "missing; a key needs its certificate")
	case !cert && !s.BehindTLSProxy && !loopback(s.Listen):
		k.bad("server.listen", quoted(s.Listen), "an address on loopback, or server.tls, or server.behind_tls_proxy: true: plain HTTP would carry patient data and tokens in the clear")
	}
	k.readable("server.tls.cert_file", s.TLS.CertFile)
	k.readable("server.tls.key_file", s.TLS.KeyFile)
}

func (s *Server) validatePublicURL(k *check) {
	const path = "server.public_url"
	u := k.url(path, s.PublicURL)
	if u == nil {
		return
	}
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		k.bad(path, displayURL(s.PublicURL), "a URL without user, query and fragment")
	case u.Scheme == "http" && s.TLS.CertFile != "":
		k.bad(path, quoted(s.PublicURL), "an https URL, for server.tls is set")
	case u.Scheme == "http" && !s.BehindTLSProxy && !loopbackHost(u.Hostname()):
		k.bad(path, quoted(s.PublicURL), "an https URL; plain HTTP only with a loopback host or behind a TLS proxy")
	}
}

// loopback says if a listen address is reached from this machine only.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// plainHTTP says if raw is an http URL whose host is not on this machine.
func plainHTTP(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "http" && !loopbackHost(u.Hostname())
}
