package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxAuthorization caps the header before anything of it is parsed.
const maxAuthorization = 8 << 10

// VerifierOptions configure a Verifier; Registry, Keys and Audience are required.
type VerifierOptions struct {
	Registry Registry
	Keys     *KeySet
	Issuer   string        // default Audience
	Audience string        // the public FHIR base
	Leeway   time.Duration // clock difference between replicas; default 10 s, at most 60 s, negative: none
	Now      func() time.Time
}

// Verifier checks the Authorization header of every protected request. It is safe for concurrent use.
type Verifier struct {
	o      VerifierOptions
	parser *jwt.Parser
}

// NewVerifier checks the options and fills in the defaults.
func NewVerifier(o VerifierOptions) (*Verifier, error) {
	if o.Registry == nil || o.Keys == nil || !absolute(o.Audience) {
		return nil, errors.New("verifier: registry, keys and an absolute audience are required")
	}
	leeway, err := leewayOf(o.Leeway)
	if err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	if o.Issuer == "" {
		o.Issuer = o.Audience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Verifier{o: o, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{algES384}), jwt.WithStrictDecoding(), jwt.WithTimeFunc(o.Now), jwt.WithLeeway(leeway),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithAudience(o.Audience), jwt.WithIssuer(o.Issuer),
	)}, nil
}

// Verify turns the value of the Authorization header into a Principal. Client, scopes and Groups are asked of the registry at
// each call: a disabled client and a right taken away count at once (ACC-11). The scopes may come out empty; what they allow is
// for the endpoint to say. The error is always an *Error: 401, or 503 while the registry is away.
func (v *Verifier) Verify(ctx context.Context, authorization string) (*Principal, error) {
	if len(authorization) > maxAuthorization {
		return nil, invalidToken("Authorization header larger than 8 KiB")
	}
	scheme, raw, _ := strings.Cut(authorization, " ")
	raw = strings.TrimLeft(raw, " ")
	if !strings.EqualFold(scheme, "Bearer") || raw == "" {
		// RFC 6750, section 3.1: no error code when the request has no token at all.
		return nil, &Error{Status: http.StatusUnauthorized, Description: "an access token is required", Reason: "no bearer token"}
	}
	claims := jwt.MapClaims{}
	if _, err := v.parser.ParseWithClaims(raw, claims, v.key); err != nil {
		return nil, invalidToken(reasonOf(err))
	}
	return v.principal(ctx, claims)
}

// key finds our own key by kid, for access tokens only: the typ keeps everything else out (RFC 9068, section 4).
func (v *Verifier) key(t *jwt.Token) (any, error) {
	typ, _ := t.Header["typ"].(string)
	kid, _ := t.Header["kid"].(string)
	key := v.o.Keys.verify[kid]
	if _, crit := t.Header["crit"]; crit || key == nil || !strings.EqualFold(typ, accessTyp) {
		return nil, errors.New("not an access token of ours")
	}
	return key, nil
}

// principal reads a proven token against the registry of now.
func (v *Verifier) principal(ctx context.Context, claims jwt.MapClaims) (*Principal, error) {
	sub, _ := claims["sub"].(string)
	client, _ := claims["client_id"].(string)
	scope, _ := claims["scope"].(string)
	jti, _ := claims["jti"].(string)
	exp, err := claims.GetExpirationTime()
	if err != nil || client == "" || client != sub || jti == "" {
		return nil, invalidToken("claims are not those of an access token")
	}
	c, err := v.o.Registry.Client(ctx, client)
	switch {
	case errors.Is(err, ErrUnknownClient):
		return nil, invalidToken("unknown client")
	case err != nil:
		return nil, unavailable("registry: " + err.Error())
	case !c.Enabled:
		return nil, invalidToken("client is disabled")
	}
	granted, err := ParseScopes(scope)
	if err != nil {
		return nil, invalidToken(err.Error())
	}
	return &Principal{
		ClientID: c.ID, Name: c.Name, Scopes: granted.Intersect(c.scopes()), JTI: jti, Groups: c.Groups, Expires: exp.Time,
	}, nil
}
