package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A probe tells whether it is the upstream that fails, or only the question that was asked: it asks again what was answered well
// before, or, when nothing was, for the smallest part of /metadata. Its answer is kept for a moment, so that many who ask at once
// cost one request.
const (
	probePath    = "/metadata?_elements=fhirVersion" // servers that ignore _elements are cut short
	probeTimeout = 10 * time.Second
	probeKept    = 5 * time.Second
	goodKept     = 30 * time.Second
	goodRecent   = 5 * time.Second // so long a good answer tells that the upstream is up
	goodSearches = 3
)

type health struct {
	lock chan struct{} // guards at and err
	at   time.Time
	err  error

	mu   sync.Mutex
	good []goodSearch // of different types, the last answered well at the end
	turn int
}

// goodSearch is a search that was answered well.
type goodSearch struct{ typ, url string }

// remember keeps a search that was answered well.
func (h *health) remember(typ, url string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.good = slices.DeleteFunc(h.good, func(g goodSearch) bool { return g.typ == typ })
	if len(h.good) == goodSearches {
		h.good = slices.Delete(h.good, 0, 1)
	}
	h.good = append(h.good, goodSearch{typ, url})
}

// question returns the URL of the next search to probe with, another one each time; "" when none is known.
func (h *health) question() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.good) == 0 {
		return ""
	}
	h.turn++
	return h.good[h.turn%len(h.good)].url
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

// isUp returns nil when the upstream may be asked: the breaker is closed, or a probe closes it now.
func (c *Client) isUp(ctx context.Context, x exchange) error {
	if x.probe || !c.breaker.halfOpen() {
		return nil
	}
	err := c.ask(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return openError(x.op, max(time.Second, c.breaker.closedFor()))
}

// answeredLately tells that something was answered well a moment ago.
func (c *Client) answeredLately() bool {
	return time.Since(time.Unix(0, c.lastGood.Load())) < goodRecent
}

// probe asks once. Any answer that shows a FHIR server at work is good, also a refusal.
func (c *Client) probe(ctx context.Context) error {
	x := exchange{op: "health check", url: c.health.question(), probe: true, slots: c.reserve, handle: discard}
	limit := c.o.Timeout
	if x.url == "" {
		x.url, limit = c.base.String()+probePath, probeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := c.once(ctx, x)
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
