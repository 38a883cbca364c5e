package auth

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertionLife leaves a minute of the five allowed to clocks that differ.
const assertionLife = 4 * time.Minute

// SignAssertion makes the client assertion of SMART Backend Services: what a client posts to a token endpoint, once. The key is a
// private JWK as GenerateKey makes it, or a JWK set whose first key is taken.
func SignAssertion(privateJWK []byte, clientID, tokenURL string, now time.Time) (string, error) {
	entries, err := splitSet(privateJWK)
	if err != nil {
		return "", fmt.Errorf("client key: %w", err)
	}
	key, alg, err := decodeJWK(entries[0])
	if err != nil {
		return "", fmt.Errorf("client key: %w", err)
	}
	kid := entries[0].KID
	if kid == "" {
		kid = thumbprint(entries[0])
	}
	jti := make([]byte, 16)
	if _, err := rand.Read(jti); err != nil {
		return "", fmt.Errorf("make assertion id: %w", err)
	}
	t := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims{
		"iss": clientID, "sub": clientID, "aud": tokenURL, "jti": hex.EncodeToString(jti),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	t.Header["kid"] = kid
	signed, err := t.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign assertion: want a private key: %w", err)
	}
	return signed, nil
}
