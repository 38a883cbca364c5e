package auth

import (
	"errors"
	"time"
)

// SignAssertion makes the client assertion of SMART Backend Services: what a client posts to a token endpoint.
func SignAssertion(privateJWK []byte, clientID, tokenURL string, now time.Time) (string, error) {
	return "", errors.New("not built")
}
