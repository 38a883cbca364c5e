package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/auth"
)

// maxAuthorization bounds what is parsed of an Authorization header at all.
const maxAuthorization = 8 << 10

// protected is a handler that only runs for a caller with a good access token.
type protected func(c echo.Context, p *auth.Principal) error

// token makes a protected handler an ordinary one (ACC-05).
func (g *Gateway) token(h protected) echo.HandlerFunc {
	return func(c echo.Context) error {
		p, err := g.authenticate(c.Request())
		if err != nil {
			return err
		}
		return h(c, p)
	}
}

// authenticate returns who asks. A bad token is noted in the audit log; that none was sent is not: everybody can do that.
func (g *Gateway) authenticate(r *http.Request) (*auth.Principal, error) {
	if hasAccessToken(r.URL.RawQuery) {
		return nil, fail(http.StatusBadRequest, "security", "an access token belongs into the Authorization header and nowhere else")
	}
	authorization := r.Header.Values("Authorization")
	if len(authorization) > 1 || len(authorization) == 1 && len(authorization[0]) > maxAuthorization {
		return nil, g.badToken(r, &auth.Error{
			Status: http.StatusUnauthorized, Code: "invalid_token", Description: "access token not accepted", Reason: "header repeated or too long",
		})
	}
	p, err := g.o.Verifier.Verify(r.Context(), strings.Join(authorization, ""))
	if err != nil {
		return nil, g.badToken(r, err)
	}
	exchangeOf(r.Context()).client = p.ClientID
	return p, nil
}

func (g *Gateway) badToken(r *http.Request, err error) error {
	var refusal *auth.Error
	if errors.As(err, &refusal) && refusal.Code == "invalid_token" {
		g.denied(r, "token", "", refusal.Reason)
	}
	return err
}

// hasAccessToken: ACC-07, a token in a URL ends in the logs of every proxy on the way.
func hasAccessToken(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil && name == "access_token" {
			return true
		}
	}
	return false
}

// event begins an audit event with what is known of the request.
func event(r *http.Request, typ, outcome, job, detail string) audit.Event {
	x := exchangeOf(r.Context())
	return audit.Event{
		Type: typ, Outcome: outcome, Time: time.Now(),
		Client: x.client, Job: job, RequestID: x.id, Remote: x.remote, Detail: detail,
	}
}

// record writes an event that must be durable before the request goes on (P6).
func (g *Gateway) record(ctx context.Context, e audit.Event) error {
	if err := g.o.Audit.Write(ctx, e); err != nil {
		return unavailable(errors.Join(errors.New("write the audit log"), err))
	}
	return nil
}

// afterwards writes an event about what has happened already, whether or not the client is still there.
func (g *Gateway) afterwards(ctx context.Context, e audit.Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := g.o.Audit.Write(ctx, e); err != nil {
		g.o.Log.ErrorContext(ctx, "audit event lost", "type", e.Type, "request", e.RequestID, "job", e.Job, "error", err)
	}
}

// denied notes that somebody asked for what is not theirs. reason is one of the words of Metrics.Denied. A flood of one caller does
// not fill the log: past one a second it is only counted, and the next event that is written says how many were not.
func (g *Gateway) denied(r *http.Request, reason, job, detail string) {
	g.o.Metrics.Denied(reason)
	e := event(r, audit.Denied, audit.Refused, job, detail)
	key := e.Client
	if key == "" {
		key = "address " + e.Remote
	}
	if _, ok := g.denials.take(key); !ok {
		g.unwritten.Add(1)
		return
	}
	e.Fields = map[string]any{"reason": reason}
	if n := g.unwritten.Swap(0); n > 0 {
		e.Fields["unwritten"] = n
	}
	g.afterwards(r.Context(), e)
}
