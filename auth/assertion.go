package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxAssertion = 16 << 10
	maxJTI       = 256
	maxAhead     = 300 * time.Second // SMART: an assertion lives five minutes at most
)

// assertion is a client assertion that holds: signature, times and names were checked, but not whether it was used before.
type assertion struct {
	client *Client
	jti    string
	exp    time.Time
}

// check verifies a client assertion, SMART App Launch "Client Authentication: Asymmetric" and RFC 7523, section 3. What the
// caller claimed goes into info even when the check fails. An error of the registry comes back wrapped; every other failure is an
// *Error with the one answer of invalidClient.
func (e *TokenEndpoint) check(ctx context.Context, raw, formClient string, info *TokenInfo) (*assertion, error) {
	if len(raw) > maxAssertion {
		return nil, invalidClient("assertion larger than 16 KiB")
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods(Algorithms()), jwt.WithStrictDecoding(), jwt.WithTimeFunc(e.o.Now), jwt.WithLeeway(e.o.Leeway),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithAudience(e.aud...),
	)
	var client *Client
	var early error // what is wrong before the signature; told only after the time of a signature was spent
	claims := jwt.MapClaims{}
	token, err := parser.ParseWithClaims(raw, claims, func(t *jwt.Token) (any, error) {
		var key publicKey
		client, key, early = e.keyFor(ctx, t, claims, info)
		if early != nil {
			return e.decoys[t.Method.Alg()], nil
		}
		return key.key, nil
	})
	switch {
	case early != nil && errors.Is(early, errRegistry):
		return nil, early
	case early != nil:
		return nil, invalidClient(early.Error())
	case err != nil:
		return nil, invalidClient(reasonOf(err))
	case !token.Valid:
		return nil, invalidClient("not valid")
	}
	info.Verified = true
	if formClient != "" && formClient != client.ID {
		return nil, invalidClient("client_id of the form is another one")
	}
	exp, _ := claims.GetExpirationTime()
	if exp.After(e.o.Now().Add(maxAhead + e.o.Leeway)) {
		return nil, invalidClient("exp more than 300 s ahead")
	}
	jti, _ := claims["jti"].(string)
	if jti == "" || len(jti) > maxJTI {
		return nil, invalidClient("jti missing or longer than 256 characters")
	}
	return &assertion{client: client, jti: jti, exp: exp.Time}, nil
}

// errRegistry marks that the registry could not answer.
var errRegistry = errors.New("registry")

// keyFor checks the header, finds the client and its key. Only kid, and iss and sub, lead anywhere: x5u, x5c and jwk are never
// looked at, and jku must be the registered URL (TOK-04, TOK-05, TOK-06, TOK-09).
func (e *TokenEndpoint) keyFor(ctx context.Context, t *jwt.Token, claims jwt.MapClaims, info *TokenInfo) (*Client, publicKey, error) {
	iss, _ := claims["iss"].(string)
	sub, _ := claims["sub"].(string)
	jti, _ := claims["jti"].(string)
	kid, _ := t.Header["kid"].(string)
	info.ClientID, info.KID, info.JTI = claimed(iss), claimed(kid), claimed(jti)

	fail := func(reason string) (*Client, publicKey, error) { return nil, publicKey{}, errors.New(reason) }
	if typ, ok := t.Header["typ"]; ok || !e.o.AllowMissingTyp {
		if s, _ := typ.(string); !strings.EqualFold(s, "JWT") {
			return fail("typ is not JWT")
		}
	}
	if _, ok := t.Header["crit"]; ok { // RFC 7515, section 4.1.11: we understand no extension
		return fail("crit names extensions")
	}
	if kid == "" || len(kid) > maxKID {
		return fail("kid missing or longer than 256 characters")
	}
	if iss == "" || iss != sub || !ValidClientID(iss) {
		return fail("iss and sub are not one client id")
	}
	c, err := e.o.Registry.Client(ctx, iss)
	if errors.Is(err, ErrUnknownClient) {
		return fail("unknown client")
	}
	if err != nil {
		return nil, publicKey{}, fmt.Errorf("%w: %w", errRegistry, err)
	}
	if jku, ok := t.Header["jku"]; ok {
		if s, _ := jku.(string); s == "" || s != c.JWKSURI {
			return fail("jku is not the registered URL")
		}
	}
	key, err := e.sources.find(ctx, c, kid, t.Method.Alg())
	if err != nil {
		return fail(err.Error())
	}
	return c, key, nil
}

// claimed cuts what a caller claims to a length and to characters fit for the audit log.
func claimed(s string) string {
	if len(s) > maxKID {
		s = s[:maxKID]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
}

// reasonOf names the failed check without quoting the assertion.
func reasonOf(err error) string {
	for _, known := range []error{
		jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenRequiredClaimMissing,
		jwt.ErrTokenInvalidAudience, jwt.ErrTokenExpired, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenNotValidYet, jwt.ErrInvalidType,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "not a valid JWT"
}

// newDecoys makes keys that nobody has the private half of. An assertion that fails before its signature is verified against one
// of them, so that an unknown client takes as long as a wrong signature (TOK-21).
func newDecoys() (map[string]any, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make decoy key: %w", err)
	}
	n := make([]byte, minRSABits/8) // no product of primes, but that takes the same time
	if _, err := rand.Read(n); err != nil {
		return nil, fmt.Errorf("make decoy key: %w", err)
	}
	n[0] |= 0x80
	n[len(n)-1] |= 1
	return map[string]any{algES384: &ec.PublicKey, algRS384: &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}}, nil
}
