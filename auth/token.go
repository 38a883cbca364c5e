package auth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	accessTyp     = "at+jwt" // RFC 9068: tells an access token from everything else we or clients sign
)

// Token answers one request. form is the parsed body; method, content type, query, size and rate are the gateway's business.
// The error is always an *Error.
//
// An assertion is used up as soon as it is proven, also when no token follows. If the process dies after that, the client has to
// sign a new one.
func (e *TokenEndpoint) Token(ctx context.Context, form url.Values, remote string) (*TokenResponse, TokenInfo, error) {
	info := TokenInfo{Remote: remote, ClientID: claimed(form.Get("client_id"))}
	if err := checkForm(form); err != nil {
		return nil, info, err
	}
	asked, err := ParseScopes(form.Get("scope"))
	if err != nil {
		return nil, info, badRequest("invalid_scope", err.Error())
	}

	a, err := e.check(ctx, form.Get("client_assertion"), form.Get("client_id"), &info)
	if refusal, ok := err.(*Error); ok {
		return nil, info, refusal
	}
	if err != nil {
		return nil, info, unavailable(err.Error())
	}
	// A minute longer than the assertion is good, for a store whose clock runs ahead of ours.
	fresh, err := e.o.JTIs.Use(ctx, a.client.ID, a.jti, a.exp.Add(e.o.Leeway+time.Minute))
	if err != nil {
		return nil, info, unavailable("jti store: " + err.Error())
	}
	if !fresh {
		return nil, info, invalidClient("jti used before")
	}

	if !a.client.Enabled {
		return nil, info, badRequest("unauthorized_client", "this client is not allowed to get tokens")
	}
	granted := asked.Intersect(a.client.scopes())
	if len(granted) == 0 {
		return nil, info, badRequest("invalid_scope", "no requested scope is registered for this client")
	}
	info.Scope = granted.String()
	token, jti, err := e.o.Keys.issue(e.o, a.client.ID, info.Scope)
	if err != nil {
		return nil, info, unavailable(err.Error())
	}
	if len("Bearer ")+len(token) > maxAuthorization {
		return nil, info, badRequest("invalid_scope", "too many scopes; ask for fewer or for system/*.rs")
	}
	info.TokenID = jti
	return &TokenResponse{
		AccessToken: token, TokenType: "bearer", ExpiresIn: int(e.o.Lifetime / time.Second), Scope: info.Scope,
	}, info, nil
}

// checkForm is what RFC 6749 and SMART ask of the form before anybody is identified (TOK-15 to TOK-18).
func checkForm(form url.Values) error {
	for _, values := range form {
		if len(values) > 1 {
			return badRequest("invalid_request", "a field is sent twice")
		}
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return badRequest("invalid_request", "grant_type is missing")
	default:
		return badRequest("unsupported_grant_type", "grant_type must be client_credentials")
	}
	switch {
	case form.Has("client_secret"):
		return badRequest("invalid_request", "more than one way to authenticate")
	case form.Get("client_assertion_type") != assertionType:
		return badRequest("invalid_request", "client_assertion_type must be "+assertionType)
	case form.Get("client_assertion") == "":
		return badRequest("invalid_request", "client_assertion is missing")
	case strings.TrimSpace(form.Get("scope")) == "":
		return badRequest("invalid_scope", "scope is missing")
	}
	return nil
}

// issue signs an access token for client.
func (k *KeySet) issue(o TokenOptions, client, scope string) (token, jti string, err error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return "", "", fmt.Errorf("make token id: %w", err)
	}
	jti = hex.EncodeToString(id)
	now := o.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES384, jwt.MapClaims{
		"iss": o.Issuer, "aud": o.Audience, "sub": client, "client_id": client, "scope": scope,
		"jti": jti, "iat": now.Unix(), "exp": now.Add(o.Lifetime).Unix(),
	})
	t.Header["typ"], t.Header["kid"] = accessTyp, k.kid
	token, err = t.SignedString(k.signer)
	if err != nil {
		return "", "", fmt.Errorf("sign access token: %w", err)
	}
	return token, jti, nil
}
