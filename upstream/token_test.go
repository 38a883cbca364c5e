package upstream_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"sluice/auth/outbound"
	"sluice/upstream"
)

// noToken is a transport that cannot sign.
type noToken struct{}

func (noToken) RoundTrip(*http.Request) (*http.Response, error) { return nil, &outbound.TokenError{} }

// Who looks after the gateway must learn that the token is the trouble, and not the connection.
func TestTokenRefused(t *testing.T) {
	c := newClient(t, "http://up.example/fhir", func(o *upstream.Options) { o.Transport = noToken{} })
	_, err := c.Page(t.Context(), observations(t).Once(), "", &discard{})
	var e *upstream.Error
	if !errors.As(err, &e) || e.Code() != "login" || !strings.Contains(err.Error(), "upstream token") {
		t.Errorf("got %v, want a login error that names the token", err)
	}
	if after, waits := e.Unavailable(); !waits || after <= 0 {
		t.Errorf("the search was given up, want the work to wait for a token")
	}
}
