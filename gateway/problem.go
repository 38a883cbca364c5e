package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/fhir"
)

// problem is a refusal or failure in the words of HTTP and FHIR. Its texts are our own and never hold what a client or the upstream sent.
type problem struct {
	status  int
	outcome *fhir.OperationOutcome
	header  http.Header
	cause   error // for the log
	quiet   bool  // not for the log, although the status is 5xx
}

func (p *problem) Error() string {
	if len(p.outcome.Issue) == 0 {
		return http.StatusText(p.status)
	}
	return p.outcome.Issue[0].Diagnostics
}

func (p *problem) Unwrap() error { return p.cause }

// internalError is all that a client hears of a fault of ours.
const internalError = "internal error; the operator finds it in the log under the X-Request-Id of this answer"

// fail is a problem with one issue of the given code of http://hl7.org/fhir/issue-type.
func fail(status int, code, text string) *problem {
	return &problem{status: status, outcome: fhir.NewOutcome("error", code, text)}
}

// with adds a header field.
func (p *problem) with(name, value string) *problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// retry says in integer seconds when to come again (LIM-03).
func (p *problem) retry(after time.Duration) *problem {
	return p.with("Retry-After", seconds(after))
}

// seconds rounds up, to 1 at least.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// notFound is the one 404: what is unknown, deleted, expired or another client's gives the same bytes (S2).
func notFound() *problem { return fail(http.StatusNotFound, "not-found", "not found") }

// unavailable is temporary trouble with something we need; it changes nothing (STAT-11).
func unavailable(cause error) *problem {
	p := fail(http.StatusServiceUnavailable, "transient", "temporarily not available, try again").retry(5 * time.Second)
	p.cause = cause
	return p
}

func tooMany(wait time.Duration, text string) *problem {
	return fail(http.StatusTooManyRequests, "throttled", text).retry(wait)
}

// writeError turns any error into the answer of the listener's language. It is the only place that does. When part of an answer is
// out already, it cuts the connection.
func (g *Gateway) writeError(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	p := asProblem(err)
	if p.status >= 500 && !p.quiet && r.Context().Err() == nil {
		g.o.Log.ErrorContext(r.Context(), "request failed", "request", x.id, "route", x.route, "status", p.status, "error", cause(p))
	}
	h := w.Header()
	for name, values := range p.header {
		h[name] = values
	}
	var body any = p.outcome
	h.Set("Content-Type", fhir.MediaType)
	switch x.face {
	case faceOAuth:
		body = asOAuth(err, p)
		h.Set("Content-Type", "application/json")
		h.Set("Pragma", "no-cache")
		h.Del("WWW-Authenticate") // no client uses that header here
	case faceAdmin:
		body = map[string]string{"error": p.Error()}
		h.Set("Content-Type", "application/json")
	}
	h.Del("Content-Length")
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		writeJSON(w, body)
	}
}

func cause(p *problem) error {
	if p.cause != nil {
		return p.cause
	}
	return p
}

// asProblem knows every kind of error that a handler may return.
func asProblem(err error) *problem {
	var (
		p        *problem
		refusal  *auth.Error
		tooLarge *http.MaxBytesError
		routing  *echo.HTTPError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		return fromAuth(refusal)
	case errors.As(err, &tooLarge):
		return fail(http.StatusRequestEntityTooLarge, "too-long", "the body is too large")
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		return notFound()
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		return fail(http.StatusMethodNotAllowed, "not-supported", "this method is not supported here")
	}
	p = fail(http.StatusInternalServerError, "exception", internalError)
	p.cause = err
	return p
}

// fromAuth: RFC 6750, section 3, wants a challenge with 401 and 403.
func fromAuth(e *auth.Error) *problem {
	code := map[int]string{
		http.StatusUnauthorized: "login", http.StatusForbidden: "forbidden", http.StatusServiceUnavailable: "transient",
		http.StatusTooManyRequests: "throttled",
	}[e.Status]
	if code == "" {
		code = "invalid"
	}
	p := fail(e.Status, code, e.Description)
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		p.with("WWW-Authenticate", e.WWWAuthenticate())
	}
	if e.RetryAfter > 0 {
		p.retry(e.RetryAfter)
	}
	if e.Status >= 500 && e.Reason != "" {
		p.cause = errors.New(e.Reason)
	}
	return p
}

// asOAuth is the body of a refused token request, which is never an OperationOutcome.
func asOAuth(err error, p *problem) *auth.Error {
	var refusal *auth.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	code := "invalid_request"
	switch {
	case p.status == http.StatusTooManyRequests || p.status == http.StatusServiceUnavailable:
		code = "temporarily_unavailable"
	case p.status >= 500:
		code = "server_error"
	}
	return &auth.Error{Status: p.status, Code: code, Description: p.Error()}
}

// writeJSON writes a body that JSON can hold. That the client has gone is nobody's business any more.
func writeJSON(w io.Writer, body any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body)
}
