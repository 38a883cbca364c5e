package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/klauspost/compress/gzip"

	"sluice/fhir"
)

// How many attempts a kind of failure is worth.
const (
	triesUsual = 8
	tries500   = 5 // servers answer 500 for what will never work, too
)

// waitSigned is how long work waits that the upstream answered with 401 although the transport signs: the credentials are wrong, or
// the token endpoint is away. waitBusy is for an upstream that lets nothing through, waitDown for one that answers nothing.
const (
	waitSigned = time.Minute
	waitBusy   = time.Minute
	waitDown   = 30 * time.Second
)

// statusError judges an answer that is not 2xx.
func (c *Client) statusError(ctx context.Context, x exchange, resp *http.Response, b *body) error {
	e := &Error{Op: x.op, status: resp.StatusCode, Outcome: outcomeOf(b)}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.code = outcomeCode(e.Outcome)
	fallback := "exception"
	asked, named := retryAfter(resp.Header, time.Now())

	switch s := resp.StatusCode; {
	case s == http.StatusUnauthorized:
		fallback = "login"
		e.kind, e.wait, e.healthy = unavailable, waitSigned, true
		e.hint = "the upstream does not accept our credentials; see upstream.auth"
	case s == http.StatusTooManyRequests:
		fallback = "throttled"
		e.tries, e.healthy = triesUsual, true
	case s == http.StatusRequestTimeout || s == http.StatusTooEarly:
		fallback = "timeout"
		e.tries, e.healthy, e.down = triesUsual, true, true
	case x.next && (s == http.StatusBadRequest || s == http.StatusNotFound || s == http.StatusGone):
		fallback = "expired"
		e.kind, e.healthy, e.reason = expired, true, "next link is not known any more"
	case s < 500:
		fallback = "processing"
		e.kind, e.healthy = permanent, true
		switch s {
		case http.StatusForbidden:
			fallback = "forbidden"
			e.hint = "the upstream client may not read this; for SMART it lacks a scope such as system/*.rs"
		case http.StatusNotFound:
			fallback = "not-found"
		case http.StatusGone:
			fallback = "deleted"
		}
	case s == http.StatusNotImplemented:
		fallback = "not-supported"
		e.kind, e.healthy = permanent, true
	case s == http.StatusInternalServerError:
		e.tries = tries500
	default:
		fallback = "transient"
		e.tries, e.down = triesUsual, true
	}
	if e.code == "" {
		e.code = fallback
	}
	if resp.StatusCode == http.StatusTooManyRequests && !named {
		asked, named = c.unnamedPause(), true
	}
	if named && e.tries > 1 && asked > 0 {
		c.pause(asked)
		if asked > longPause {
			e.kind, e.wait = unavailable, asked
		}
	}
	return e
}

// outcomeOf reads the OperationOutcome in the body of an error, nil when there is none.
func outcomeOf(b *body) *fhir.OperationOutcome {
	raw, err := b.readAll(errorBody)
	var o fhir.OperationOutcome
	if err != nil || json.Unmarshal(raw, &o) != nil || o.ResourceType != "OperationOutcome" {
		return nil
	}
	return &o
}

// transportError judges an exchange that brought no answer.
func (c *Client) transportError(ctx, wctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // its text holds the URL
	}
	e := &Error{Op: op, code: "transient", reason: "connection failed", tries: triesUsual, down: true, cause: err}
	var dns *net.DNSError
	var dial *net.OpError
	var cert *tls.CertificateVerificationError
	var token interface{ Reason() string } // the transport could not sign
	switch {
	case errors.As(err, &token):
		e.code, e.reason, e.hint = "login", token.Reason(), "see upstream.auth"
	case timedOut(wctx, err):
		e.code, e.reason = "timeout", "no answer in time"
	case errors.Is(err, errElsewhere):
		e.code, e.reason, e.kind, e.tries, e.down, e.healthy = "security", err.Error(), permanent, 0, false, true
	case errors.As(err, &cert):
		e.reason, e.hint = "certificate of the upstream is not trusted", "see upstream.ca_file"
		if name, ok := errors.AsType[x509.HostnameError](err); ok && name.Certificate != nil {
			e.reason, e.hint = "certificate of the upstream is for another host", "see upstream.url"
		}
	case errors.As(err, &dns):
		e.reason = "host is not known"
	case errors.As(err, &dial) && dial.Op == "dial":
		e.reason = "cannot connect"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.reason = "connection was closed before the answer"
	case errors.Is(err, errTooManyRedirects):
		e.code, e.reason, e.kind, e.tries, e.down = "exception", errTooManyRedirects.Error(), permanent, 0, false
	}
	return e
}

func timedOut(wctx context.Context, err error) bool {
	if cause := context.Cause(wctx); cause == errTimeout || cause == errSlow {
		return true
	}
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// contentError judges a 2xx answer whose body could not be used. What handle itself found wrong and is no fault of the body is
// returned as it is.
func (c *Client) contentError(ctx, wctx context.Context, op string, resp *http.Response, b *body, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := &Error{Op: op, status: resp.StatusCode, code: "exception", cause: err}
	var other *fhir.NotBundleError
	var syntax *fhir.SyntaxError
	switch {
	case b.err != nil && timedOut(wctx, b.err):
		e.code, e.reason, e.tries, e.down = "timeout", "body did not come in time", triesUsual, true
	case errors.Is(b.err, errBomb), errors.Is(err, errTooLong), errors.Is(err, fhir.ErrTooManyEntries):
		e.code, e.kind, e.healthy = "too-long", permanent, true
		e.reason = "body is larger than allowed"
	case errors.Is(b.err, errEncoding):
		e.reason, e.kind = errEncoding.Error(), permanent
	case errors.Is(b.err, gzip.ErrHeader), errors.Is(b.err, gzip.ErrChecksum):
		e.reason, e.tries = "body is broken gzip", triesUsual
	case b.err != nil:
		e.code, e.reason, e.tries, e.down, e.cause = "transient", "body was cut", triesUsual, true, b.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.code, e.reason, e.tries, e.down = "transient", "body was cut", triesUsual, true
	case errors.As(err, &other):
		e.kind, e.reason = permanent, "answer is not the resource asked for"
		if e.Outcome = other.Outcome; other.Outcome != nil {
			e.healthy, e.reason = true, "answer is only an OperationOutcome"
			if code := outcomeCode(other.Outcome); code != "" {
				e.code = code
			}
			if passing(e.code) {
				e.kind, e.tries, e.healthy = failed, tries500, false
			}
		}
	case errors.As(err, &syntax):
		e.reason, e.tries = "body is broken JSON", triesUsual
	default:
		return err
	}
	return e
}

// passing tells whether an issue code says that the same request may do later.
func passing(code string) bool {
	switch code {
	case "transient", "lock-error", "no-store", "timeout", "incomplete", "throttled":
		return true
	}
	return false
}
