package upstream_test

import (
	"bytes"
	"errors"
	"log/slog"
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
	var log bytes.Buffer
	c := newClient(t, "http://up.example/fhir", func(o *upstream.Options) {
		o.Transport, o.Log = noToken{}, slog.New(slog.NewTextHandler(&log, nil))
	})
	_, err := c.Page(t.Context(), observations(t).Once(), "", &discard{})
	_, _ = c.Page(t.Context(), observations(t).Once(), "", &discard{})
	var e *upstream.Error
	if !errors.As(err, &e) || e.Code() != "login" || !strings.Contains(err.Error(), "upstream token") {
		t.Errorf("got %v, want a login error that names the token", err)
	}
	if after, waits := e.Unavailable(); !waits || after <= 0 {
		t.Errorf("the search was given up, want the work to wait for a token")
	}
	if n := strings.Count(log.String(), "upstream token"); n != 1 {
		t.Errorf("the log tells of the token %d times, want once:\n%s", n, log.String())
	}
}
