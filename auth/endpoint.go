package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// JTIs remembers which assertions were used, for all replicas.
type JTIs interface {
	// Use records jti of client until exp and says whether it was new. An error means that nobody knows: no token is given.
	Use(ctx context.Context, client, jti string, exp time.Time) (fresh bool, err error)
}

// TokenOptions configure a TokenEndpoint. Registry, JTIs, Keys, TokenURL and Audience are required.
type TokenOptions struct {
	Registry Registry
	JTIs     JTIs
	Keys     *KeySet

	TokenURL        string        // public URL of the endpoint: what an assertion's aud must name
	TokenURLAliases []string      // former public URLs that aud may still name
	Issuer          string        // iss of our tokens; default Audience
	Audience        string        // aud of our tokens: the public FHIR base
	Lifetime        time.Duration // of our tokens; default 300 s, at most 1 h
	Leeway          time.Duration // clock difference allowed to clients; default 10 s, at most 60 s, negative: none

	AllowMissingTyp  bool           // accept assertions without typ; default no
	AllowPrivateJWKS bool           // fetch key sets also from loopback and private addresses; default no
	JWKSRoots        *x509.CertPool // CAs trusted for key sets; nil: the system's
	HTTPClient       *http.Client   // fetches key sets in place of our own; redirects and time are still limited, addresses are then its business
	Now              func() time.Time
	Log              *slog.Logger // nil: silent
}

// TokenEndpoint answers token requests of SMART Backend Services. It is safe for concurrent use.
type TokenEndpoint struct {
	o       TokenOptions
	aud     []string
	sources *keySources
	decoys  map[string]any // by algorithm
}

// TokenResponse is the answer to a good request, RFC 6749 section 5.1. Send it with Cache-Control: no-store.
type TokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
}

// TokenInfo is what the audit log may say about a token request, good or bad. ClientID, KID and JTI are what the caller claimed;
// Verified tells that the signature proved them.
type TokenInfo struct {
	ClientID string
	KID      string
	JTI      string
	Verified bool
	Scope    string // granted
	TokenID  string // jti of the access token
	Remote   string
}

// NewTokenEndpoint checks the options and fills in the defaults.
func NewTokenEndpoint(o TokenOptions) (*TokenEndpoint, error) {
	switch {
	case o.Registry == nil || o.JTIs == nil || o.Keys == nil:
		return nil, errors.New("token endpoint: registry, jti store and keys are required")
	case !absolute(o.TokenURL) || !absolute(o.Audience):
		return nil, errors.New("token endpoint: token URL and audience must be absolute URLs")
	case o.TokenURL == o.Audience || slices.Contains(o.TokenURLAliases, o.Audience):
		return nil, errors.New("token endpoint: token URL and audience must differ, or a token could pass as an assertion")
	case o.Lifetime < 0 || o.Lifetime > time.Hour:
		return nil, errors.New("token endpoint: token lifetime must be at most 1h")
	}
	leeway, err := leewayOf(o.Leeway)
	if err != nil {
		return nil, fmt.Errorf("token endpoint: %w", err)
	}
	o.Leeway = leeway
	if o.Lifetime < time.Second {
		o.Lifetime = 300 * time.Second // ACC-02
	}
	if o.Issuer == "" {
		o.Issuer = o.Audience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	client := newFetchClient(o.JWKSRoots, o.AllowPrivateJWKS)
	if o.HTTPClient != nil {
		client = limitFetch(o.HTTPClient)
	}
	decoys, err := newDecoys()
	if err != nil {
		return nil, fmt.Errorf("token endpoint: %w", err)
	}
	return &TokenEndpoint{
		o: o, aud: append([]string{o.TokenURL}, o.TokenURLAliases...),
		sources: newKeySources(client, o.Now, o.Log), decoys: decoys,
	}, nil
}

// leewayOf gives the default for 0 and none for less.
func leewayOf(d time.Duration) (time.Duration, error) {
	switch {
	case d > time.Minute:
		return 0, errors.New("leeway must be at most 60s")
	case d == 0:
		return 10 * time.Second, nil
	}
	return max(d, 0), nil
}

func absolute(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && u.Host != ""
}
