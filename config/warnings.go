package config

import "time"

// Warnings says what is allowed but worth a look, for a person.
func (c *Config) Warnings() []string {
	out := append([]string(nil), c.warnings...)
	warn := func(when bool, text string) {
		if when {
			out = append(out, text)
		}
	}
	warn(plainHTTP(c.Server.PublicURL), "server.public_url: clients are told to use plain HTTP; the proxy in front should offer https")
	warn(c.Upstream.Auth.Type != "none" && plainHTTP(c.Upstream.URL), "upstream.url: credentials and patient data go to the upstream over plain HTTP")
	warn(c.Upstream.Rate == 0, "upstream.rate: 0, so nothing but the concurrency protects the upstream")
	warn(c.Auth.TokenLifetime > 300*time.Second, "auth.token_lifetime: SMART Backend Services says that tokens should not live longer than 300s")
	warn(c.Audit.OnFailure == "open", "audit.on_failure: open, so exports and downloads go on while they cannot be recorded")
	return out
}
