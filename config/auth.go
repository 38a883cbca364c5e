package config

import (
	"net/url"
	"time"
)

// Auth says who may export, and how they prove who they are.
type Auth struct {
	// TokenLifetime is how long an access token is valid. SMART says at most 300 s.
	TokenLifetime time.Duration `yaml:"token_lifetime"`
	// SigningKeyFile is a JWK set with private keys; the first signs access tokens. Empty: made once in the storage, shared by all replicas.
	SigningKeyFile string `yaml:"signing_key_file"`
	// TokenURL is the token endpoint as clients see it. Empty: scheme and host of server.public_url with /auth/token.
	TokenURL string `yaml:"token_url"`
	// ClientsDir is the folder with one YAML file a client.
	ClientsDir string `yaml:"clients_dir"`
	// Issuers are external authorization servers whose tokens are accepted. Not supported by this version: leave it empty.
	Issuers []Issuer `yaml:"issuers"`
}

// Issuer is an external authorization server.
type Issuer struct {
	// Issuer is the iss of its tokens.
	Issuer string `yaml:"issuer"`
	// JWKSURI is where its keys are.
	JWKSURI string `yaml:"jwks_uri"`
	// Audience is the aud its tokens must have.
	Audience string `yaml:"audience"`
	// ClientClaim is the claim that names the client. Empty: client_id, then azp.
	ClientClaim string `yaml:"client_claim"`
	// Typ is the typ header its tokens must have, such as at+jwt. Empty: any.
	Typ string `yaml:"typ"`
}

func defaultAuth() Auth {
	return Auth{TokenLifetime: 300 * time.Second, ClientsDir: "./clients"}
}

// TokenURL returns auth.token_url, or what it is by default.
func (c *Config) TokenURL() string {
	if c.Auth.TokenURL != "" {
		return c.Auth.TokenURL
	}
	u, err := url.Parse(c.Server.PublicURL)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/auth/token"}).String()
}

func (a *Auth) validate(k *check) {
	k.duration("auth.token_lifetime", a.TokenLifetime, time.Second, time.Hour)
	k.readable("auth.signing_key_file", a.SigningKeyFile)
	if a.TokenURL != "" {
		k.secureURL("auth.token_url", a.TokenURL)
	}
	if a.ClientsDir == "" {
		k.say("auth.clients_dir", "missing, expected the folder with the client files")
	}
	for _, i := range a.Issuers {
		k.secureURL("auth.issuers", i.Issuer)
		k.secureURL("auth.issuers", i.JWKSURI)
		if i.Audience == "" {
			k.say("auth.issuers", "an issuer without audience: tokens made for others would be accepted")
		}
	}
	if len(a.Issuers) > 0 {
		k.say("auth.issuers", "not supported by this version: only tokens of Sluice's own token endpoint are accepted; remove it")
	}
}
