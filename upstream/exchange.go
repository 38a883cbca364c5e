package upstream

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"sluice/fhir"
)

// exchange is one thing to ask of the upstream: a GET, and what to do with a good answer.
type exchange struct {
	op     string // for errors and logs: "search Observation"
	url    string
	next   bool // a next link: 400, 404 and 410 mean that it died
	single bool // not to be retried
	probe  bool // asked to learn whether the upstream is up
	strict bool // a search: unknown parameters shall be refused, not ignored
	slots  *slots
	saw    func(h http.Header) // called with the headers of any answer, good or bad; may be nil
	// handle reads the body of a 2xx answer. What it returns fails the attempt; an error of reading is found out by itself.
	handle func(resp *http.Response, b *body) error
}

// errorBody bounds what is read of the body of an error.
const errorBody = 256 << 10

// once makes one attempt. A failure is an *Error, or what handle returned, or why ctx ended.
func (c *Client) once(ctx context.Context, x exchange) error {
	if err := c.isUp(ctx, x); err != nil {
		return err
	}
	if err := c.turn(ctx, x); err != nil {
		return err
	}
	defer x.slots.release()
	done, wait := c.breaker.allow()
	if done == nil {
		return openError(x.op, wait)
	}
	verdict := errNotCounted // also when handle panics
	defer func() { done(verdict) }()

	c.budget.asked()
	err := c.send(ctx, x)
	var e *Error
	switch {
	case err == nil:
		verdict = nil
		c.report(true)
		c.lastGood.Store(time.Now().UnixNano())
		if c.away.CompareAndSwap(true, false) {
			c.o.Log.InfoContext(ctx, "the upstream answers again")
		}
		c.throttles.Store(0)
	case errors.As(err, &e) && e.status == http.StatusInternalServerError && c.answeredLately():
		// the question's fault rather than the upstream's
	case errors.As(err, &e) && !e.healthy && ctx.Err() == nil:
		verdict = err
		c.report(false)
	}
	return err
}

// turn waits until a request may be sent. After it returned nil the slot must be released.
func (c *Client) turn(ctx context.Context, x exchange) error {
	if wait := c.breaker.closedFor(); wait > 0 {
		return openError(x.op, wait)
	}
	if err := x.slots.acquire(ctx); err != nil {
		return err
	}
	err := c.limiter.Wait(ctx)
	if err == nil {
		c.share()
		return nil
	}
	x.slots.release()
	if ctx.Err() != nil {
		return err
	}
	wait := 10 * time.Second // a limiter that fails must not set us free
	var u interface{ Unavailable() (time.Duration, bool) }
	if errors.As(err, &u) {
		wait, _ = u.Unavailable()
	}
	return &Error{Op: x.op, code: "throttled", reason: "the rate limit lets nothing through", kind: unavailable, wait: wait, cause: err}
}

func openError(op string, wait time.Duration) *Error {
	return &Error{Op: op, code: "transient", reason: "upstream keeps failing, waiting before the next try", kind: unavailable, wait: wait}
}

func (c *Client) send(ctx context.Context, x exchange) error {
	w, wctx := newWatch(ctx, c.o.Timeout)
	defer w.stop()
	r, err := http.NewRequestWithContext(wctx, http.MethodGet, x.url, nil)
	if err != nil {
		return &Error{Op: x.op, code: "exception", reason: "the request cannot be written", kind: permanent, healthy: true}
	}
	c.setHeaders(r.Header)
	r.Header.Set("Accept", fhir.MediaType)
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Cache-Control", "no-cache") // HAPI answers a repeated search from its cache otherwise
	if x.strict {
		r.Header.Set("Prefer", "handling=strict")
	}

	start := time.Now()
	w.begin()
	resp, err := c.http.Do(r)
	w.end(0)
	if err != nil {
		return c.transportError(ctx, wctx, x.op, err)
	}
	c.o.Log.DebugContext(ctx, "upstream answered", "op", x.op, "status", resp.StatusCode, "ms", time.Since(start).Milliseconds())
	if x.saw != nil {
		x.saw(resp.Header)
	}
	b := newBody(resp, w, &c.counters)
	defer b.close()
	if resp.StatusCode/100 != 2 {
		return c.statusError(ctx, x, resp, b)
	}
	if !jsonType(resp.Header.Get("Content-Type")) {
		return &Error{Op: x.op, status: resp.StatusCode, code: "exception", reason: "answer is not FHIR JSON", kind: permanent,
			hint: "is upstream.url the FHIR base itself? A login page or another format came back"}
	}
	err = x.handle(resp, b)
	if err == nil {
		return nil
	}
	return c.contentError(ctx, wctx, x.op, resp, b, err)
}

func (c *Client) setHeaders(h http.Header) {
	h.Set("User-Agent", c.o.UserAgent)
	for k, v := range c.o.Headers {
		h.Set(k, v)
	}
}

// jsonType tells whether a content type may be FHIR JSON. Servers use many; a missing one is left to the parser.
func jsonType(ct string) bool {
	ct, _, _ = strings.Cut(ct, ";")
	return ct == "" || strings.Contains(strings.ToLower(ct), "json")
}
