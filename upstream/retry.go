package upstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Between two attempts at most backoffMax passes, at least backoffMin.
const (
	backoffMin = 200 * time.Millisecond
	backoffMax = 20 * time.Second
)

// do makes attempts until one succeeds or the failure is worth no more. reset, if any, is called before each.
func (c *Client) do(ctx context.Context, x exchange, reset func()) error {
	if x.slots == nil {
		x.slots = c.slots
	}
	started := time.Now()
	made := map[int]int{} // attempts, by how many their failure is worth
	for attempt := 1; ; attempt++ {
		if reset != nil {
			reset()
		}
		err := c.once(ctx, x)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("upstream: %s: %w", x.op, err)
		}
		e, ok := err.(*Error)
		if !ok {
			return err // of the sink
		}
		e.attempts = attempt
		if e.kind != failed {
			c.tell(ctx, e)
			return e
		}
		if made[e.tries]++; made[e.tries] >= e.tries || attempt >= triesUsual || x.single {
			return c.giveUp(ctx, e, started)
		}
		c.counters.retries.Add(1)
		if err := sleep(ctx, c.budget.pauseBefore(attempt)); err != nil {
			return fmt.Errorf("upstream: %s: %w", x.op, err)
		}
	}
}

// backoff returns the wait after an attempt: full jitter below a bound that doubles.
func backoff(attempt int) time.Duration {
	bound := min(backoffMax, 2*backoffMin<<(attempt-1))
	return backoffMin + rand.N(bound-backoffMin+1)
}

// giveUp decides what a failure means that outlived all its attempts: this one thing cannot be had, or nothing can. If the upstream
// answered others well in the meantime, or answers now what it answered well before, it is up.
func (c *Client) giveUp(ctx context.Context, e *Error, started time.Time) error {
	switch {
	case e.status == http.StatusTooManyRequests:
		e.kind, e.wait = unavailable, max(waitBusy, time.Until(c.pausedUntil()))
	case (e.down || e.status == http.StatusInternalServerError) && c.lastGood.Load() < started.UnixNano() && !c.up(ctx):
		e.kind, e.wait = unavailable, max(waitDown, c.breaker.closedFor())
	}
	if ctx.Err() != nil {
		return fmt.Errorf("upstream: %s: %w", e.Op, context.Cause(ctx))
	}
	c.tell(ctx, e)
	return e
}

// tell logs, once, that the upstream as a whole cannot be asked; once tells that it can again.
func (c *Client) tell(ctx context.Context, e *Error) {
	if e.kind == unavailable && c.away.CompareAndSwap(false, true) {
		c.o.Log.WarnContext(ctx, "the upstream cannot be asked; work waits", "error", e)
	}
}
