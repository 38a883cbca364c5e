package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Error is a refusal in the words of OAuth: what the caller hears, and the reason that only the audit log may hear.
type Error struct {
	Status      int    // HTTP status
	Code        string // OAuth error code; "" when RFC 6750 wants none (no token was sent)
	Description string // safe to send
	Reason      string // which check failed: for the audit log, never sent
	RetryAfter  time.Duration
}

// Error gives code and description; the reason stays out of it, so that it cannot reach an answer by accident.
func (e *Error) Error() string {
	switch {
	case e.Code == "":
		return e.Description
	case e.Description == "":
		return e.Code
	}
	return e.Code + ": " + e.Description
}

// MarshalJSON writes the body of RFC 6749, section 5.2.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{e.Code, e.Description})
}

// WWWAuthenticate is the challenge of RFC 6750, section 3, to send with 401 and 403 from a protected endpoint.
func (e *Error) WWWAuthenticate() string {
	if e.Code == "" {
		return "Bearer"
	}
	return `Bearer error="` + strings.ReplaceAll(e.Code, `"`, "") + `"`
}

// InsufficientScope is the 403 of RFC 6750 for a good token that does not cover what was asked.
func InsufficientScope(reason string) *Error {
	return &Error{Status: http.StatusForbidden, Code: "insufficient_scope", Description: "the token does not cover this request", Reason: reason}
}

// ErrUnknownClient is what a Registry returns for an id it does not hold, or holds only in a broken form.
var ErrUnknownClient = errors.New("unknown client")

// ErrClientExists is returned by FileRegistry.Add when the id is taken.
var ErrClientExists = errors.New("client exists")

// badRequest is a 400 of the token endpoint.
func badRequest(code, description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Description: description, Reason: description}
}

// invalidClient is the one answer to every assertion that does not hold: who is unknown, whose signature is wrong and whose
// token was replayed hear the same.
func invalidClient(reason string) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_client", Description: "client assertion not accepted", Reason: reason}
}

// invalidToken is the one answer to every access token that does not hold.
func invalidToken(reason string) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "access token not accepted", Reason: reason}
}

// unavailable is the answer while something we need to decide is away: never a token, never a refusal that sticks.
func unavailable(reason string) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
		Description: "try again later", Reason: reason, RetryAfter: 5 * time.Second,
	}
}
