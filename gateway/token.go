package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/auth"
)

// maxTokenForm bounds the body of a token request; the largest part is the assertion.
const maxTokenForm = 64 << 10

// accessToken: SMART Backend Services, Obtain Access Token; RFC 6749, section 4.4. A token goes out after it is in the audit log.
func (g *Gateway) accessToken(c echo.Context) error {
	r := c.Request()
	if wait, ok := g.tokens.take(exchangeOf(r.Context()).remote); !ok {
		g.o.Metrics.Token("throttled")
		return tooMany(wait, "too many token requests from this address")
	}
	form, err := tokenForm(r)
	if err != nil {
		g.o.Metrics.Token("invalid_request")
		return err
	}
	token, info, err := g.o.Tokens.Token(r.Context(), form, exchangeOf(r.Context()).remote)
	if err == nil {
		// Counted only now: nobody can use up the tokens of a client without its key.
		if wait, ok := g.grants.take(info.ClientID); !ok {
			err = &auth.Error{Status: http.StatusTooManyRequests, Code: "temporarily_unavailable", Description: "too many tokens for this client", RetryAfter: wait}
		}
	}
	if err != nil {
		g.refusedToken(r, info, err)
		return err
	}
	e := event(r, audit.Token, audit.OK, "", "access token issued")
	e.Client = info.ClientID
	e.Fields = map[string]any{"kid": info.KID, "jti": info.JTI, "scope": info.Scope, "token": info.TokenID}
	if err := g.record(r.Context(), e); err != nil {
		return err
	}
	g.o.Metrics.Token("issued")
	c.Response().Header().Set("Pragma", "no-cache")
	return c.JSON(http.StatusOK, token)
}

// refusedToken tells the audit log which check failed; the caller never hears it (TOK-21).
func (g *Gateway) refusedToken(r *http.Request, info auth.TokenInfo, err error) {
	e := event(r, audit.Token, audit.Refused, "", "")
	e.Client = info.ClientID
	e.Fields = map[string]any{"kid": info.KID, "jti": info.JTI, "verified": info.Verified}
	var refusal *auth.Error
	if errors.As(err, &refusal) {
		e.Detail = refusal.Reason
		e.Fields["error"] = refusal.Code
		g.o.Metrics.Token(refusal.Code)
	}
	g.afterwards(r.Context(), e)
}

// tokenForm reads the body: TOK-17.
func tokenForm(r *http.Request) (url.Values, error) {
	bad := func(text string) error {
		return &auth.Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: text, Reason: text}
	}
	if r.URL.RawQuery != "" {
		return nil, bad("parameters belong into the body, not into the URL")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, bad("Content-Type must be application/x-www-form-urlencoded")
	}
	if len(r.Header.Values("Authorization")) > 0 {
		return nil, bad("clients authenticate by client_assertion only")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxTokenForm+1))
	if err != nil || len(body) > maxTokenForm {
		return nil, bad("the body is too large or was cut")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, bad("the body is no form")
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, bad("a parameter is sent twice")
		}
	}
	return form, nil
}
