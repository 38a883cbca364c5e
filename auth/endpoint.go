package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
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
	decoys  map[string]any
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
	return nil, errors.New("not built")
}

// Token answers one request. form is the parsed body; method, content type, query, size and rate are the gateway's business.
// The error is always an *Error.
func (e *TokenEndpoint) Token(ctx context.Context, form url.Values, remote string) (*TokenResponse, TokenInfo, error) {
	return nil, TokenInfo{}, nil
}

type keySources struct{}
