package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// A probe is a small question: whether the upstream answers at all, and what its clock says. Its answer is kept for a moment, so
// that many who ask at once cost one request.
const (
	probePath    = "/metadata?_elements=fhirVersion" // servers that ignore _elements are cut short
	probeTimeout = 10 * time.Second
	probeKept    = 5 * time.Second
	goodKept     = 30 * time.Second
)

type health struct {
	lock chan struct{} // guards the rest
	at   time.Time
	err  error
}

func newHealth() health { return health{lock: make(chan struct{}, 1)} }

// Ready tells whether the upstream answers. It asks only when nothing else has been answered lately.
func (c *Client) Ready(ctx context.Context) error {
	if wait := c.breaker.closedFor(); wait > 0 {
		return openError("health check", wait)
	}
	if time.Since(time.Unix(0, c.lastGood.Load())) < goodKept {
		return nil
	}
	return c.ask(ctx)
}

// up tells whether the upstream answers now, whatever it answered before.
func (c *Client) up(ctx context.Context) bool { return c.breaker.closedFor() == 0 && c.ask(ctx) == nil }

// ask returns the result of a probe that is at most a moment old.
func (c *Client) ask(ctx context.Context) error {
	select {
	case c.health.lock <- struct{}{}:
		defer func() { <-c.health.lock }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !c.health.at.IsZero() && time.Since(c.health.at) < probeKept {
		return c.health.err
	}
	err := c.probe(ctx)
	if ctx.Err() != nil && err != nil {
		return err // says more about the caller than about the upstream
	}
	c.health.at, c.health.err = time.Now(), err
	return err
}

// probe asks once. Any answer that shows a FHIR server at work is good, also a refusal.
func (c *Client) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := c.once(ctx, exchange{op: "health check", url: c.base.String() + probePath, slots: c.reserve, handle: discard})
	if e, ok := errors.AsType[*Error](err); ok && e.status >= 400 && e.status < 500 && e.kind == permanent {
		return nil
	}
	return err
}

// discard reads a small body to its end and leaves a large one.
func discard(_ *http.Response, b *body) error {
	_, err := io.CopyN(io.Discard, b, 64<<10)
	if err == io.EOF {
		return nil
	}
	return err
}
