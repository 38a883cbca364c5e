package config

import (
	"net"
	"net/url"
	"time"
)

// Warnings says what is allowed but worth a look, for a person.
func (c *Config) Warnings() []string {
	out := append([]string(nil), c.warnings...)
	warn := func(when bool, text string) {
		if when {
			out = append(out, text)
		}
	}
	warn(plainHTTP(c.Server.PublicURL), "server.public_url: clients are told to use plain HTTP; the proxy in front should offer https")
	warn(loopback(c.Server.Listen) && otherPort(c.Server.Listen, c.Server.PublicURL), "server.public_url: names another port than server.listen; clients are sent there")
	warn(c.Upstream.Auth.Type != "none" && plainHTTP(c.Upstream.URL), "upstream.url: credentials and patient data go to the upstream over plain HTTP")
	warn(c.Upstream.Rate == 0, "upstream.rate: 0, so nothing but the concurrency protects the upstream")
	warn(c.Auth.TokenLifetime > 300*time.Second, "auth.token_lifetime: SMART Backend Services says that tokens should not live longer than 300s")
	warn(c.Audit.OnFailure == "open", "audit.on_failure: open, so exports and downloads go on while they cannot be recorded")
	return out
}

// otherPort says if a URL leads to this machine, but to another port than address has.
func otherPort(address, raw string) bool {
	u, err := url.Parse(raw)
	_, port, splitErr := net.SplitHostPort(address)
	return err == nil && splitErr == nil && loopbackHost(u.Hostname()) && port != "0" && u.Port() != port
}
