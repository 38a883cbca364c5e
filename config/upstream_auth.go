package config

import (
	"fmt"
	"slices"
)

// UpstreamAuth is how Sluice proves to the upstream who it is. cert_file may be set with each type.
type UpstreamAuth struct {
	// Type is one of none, basic, bearer, header, client_credentials or backend_services.
	Type string `yaml:"type"`
	// Username is for basic.
	Username string `yaml:"username"`
	// Password is for basic.
	Password Secret `yaml:"password"`
	// PasswordFile is a file that holds password.
	PasswordFile string `yaml:"password_file"`
	// Token is for bearer.
	Token Secret `yaml:"token"`
	// TokenFile is a file that holds token.
	TokenFile string `yaml:"token_file"`
	// Header is the name of the header that type header sends.
	Header string `yaml:"header"`
	// Value is what type header sends in it.
	Value Secret `yaml:"value"`
	// ValueFile is a file that holds value.
	ValueFile string `yaml:"value_file"`
	// TokenURL is the token endpoint for client_credentials and backend_services.
	TokenURL string `yaml:"token_url"`
	// ClientID is our id at that token endpoint.
	ClientID string `yaml:"client_id"`
	// ClientSecret is for client_credentials.
	ClientSecret Secret `yaml:"client_secret"`
	// ClientSecretFile is a file that holds client_secret.
	ClientSecretFile string `yaml:"client_secret_file"`
	// KeyFile is for backend_services the private key that signs, as JWK or JWK set; for all other types the key of cert_file, in PEM.
	KeyFile string `yaml:"key_file"`
	// KID chooses the key of key_file for backend_services. Empty: the first.
	KID string `yaml:"kid"`
	// Alg is ES384 or RS384 for backend_services. Empty: what fits the key.
	Alg string `yaml:"alg"`
	// Scope is what is asked for at the token endpoint, such as system/*.rs.
	Scope string `yaml:"scope"`
	// CertFile is our client certificate for mutual TLS with the server, in PEM.
	CertFile string `yaml:"cert_file"`
	// CertKeyFile is the key of cert_file, in PEM, where key_file is taken by backend_services.
	CertKeyFile string `yaml:"cert_key_file"`
}

// authKeys lists for each type the keys it needs and those it may have.
var authKeys = map[string]struct{ needs, may []string }{
	"none":               {},
	"basic":              {needs: []string{"username", "password"}},
	"bearer":             {needs: []string{"token"}},
	"header":             {needs: []string{"header", "value"}},
	"client_credentials": {needs: []string{"token_url", "client_id", "client_secret"}, may: []string{"scope"}},
	"backend_services":   {needs: []string{"token_url", "client_id", "key_file"}, may: []string{"kid", "alg", "scope", "cert_key_file"}},
}

// CertificateKey returns the file with the key of cert_file.
func (a *UpstreamAuth) CertificateKey() string {
	if a.Type == "backend_services" {
		return a.CertKeyFile
	}
	return a.KeyFile
}

func (a *UpstreamAuth) validate(k *check) {
	const at = "upstream.auth."
	keys, ok := authKeys[a.Type]
	if !ok {
		k.oneOf(at+"type", a.Type, "none", "basic", "bearer", "header", "client_credentials", "backend_services")
		return
	}
	for _, f := range a.set() {
		switch needed := slices.Contains(keys.needs, f.key); {
		case needed && !f.set:
			k.say(at+f.key, fmt.Sprintf("missing; type %s needs it", a.Type))
		case f.set && !needed && !slices.Contains(keys.may, f.key) && (f.key != "key_file" || a.CertFile == ""):
			k.say(at+f.key, fmt.Sprintf("is not used by type %s; remove it or change the type", a.Type))
		}
	}
	if a.CertFile != "" && a.CertificateKey() == "" {
		key := "key_file"
		if a.Type == "backend_services" {
			key = "cert_key_file"
		}
		k.say(at+key, "missing; a certificate needs its key")
	}
	if a.CertKeyFile != "" && a.CertFile == "" {
		k.say(at+"cert_file", "missing; a key needs its certificate")
	}
	if a.Alg != "" {
		k.oneOf(at+"alg", a.Alg, "ES384", "RS384")
	}
	if a.Header != "" && !headerName(a.Header) {
		k.bad(at+"header", quoted(a.Header), "the name of an HTTP header")
	}
	if a.TokenURL != "" {
		k.secureURL(at+"token_url", a.TokenURL)
	}
	k.readable(at+"key_file", a.KeyFile)
	k.readable(at+"cert_file", a.CertFile)
	k.readable(at+"cert_key_file", a.CertKeyFile)
}

// set tells which of the keys that belong to single types are given.
func (a *UpstreamAuth) set() []struct {
	key string
	set bool
} {
	return []struct {
		key string
		set bool
	}{
		{"username", a.Username != ""},
		{"password", a.Password.IsSet()},
		{"token", a.Token.IsSet()},
		{"header", a.Header != ""},
		{"value", a.Value.IsSet()},
		{"token_url", a.TokenURL != ""},
		{"client_id", a.ClientID != ""},
		{"client_secret", a.ClientSecret.IsSet()},
		{"key_file", a.KeyFile != ""},
		{"kid", a.KID != ""},
		{"alg", a.Alg != ""},
		{"scope", a.Scope != ""},
		{"cert_key_file", a.CertKeyFile != ""},
	}
}
