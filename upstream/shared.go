package upstream

import (
	"context"
	"time"
)

// What a Limiter that several replicas share may offer beside Wait and Pause.
type (
	// taker counts a request that is sent at once, so that exports make room for it.
	taker interface{ Take() }
	// tripper is a Limiter that lets one request of all replicas out after the pause, to see whether the upstream is well again.
	tripper interface{ Trip(until time.Time) }
	// reporter is told how requests go.
	reporter interface{ Report(well bool) }
	// counter tells among how many replicas the concurrency is to be shared.
	counter interface{ Replicas() int }
)

// walled is a shared Limiter with a second wall: whatever the shared state says, this process alone never exceeds the whole rate.
type walled struct {
	Limiter
	wall *LocalLimiter
}

func (w walled) Wait(ctx context.Context) error {
	if err := w.Limiter.Wait(ctx); err != nil {
		return err
	}
	return w.wall.Wait(ctx)
}

func (w walled) Take() { w.wall.Take() }

func (w walled) Pause(until time.Time) {
	w.Limiter.Pause(until)
	w.wall.Pause(until)
}

// take counts a request that is sent at once.
func (c *Client) take() {
	for _, l := range []Limiter{c.o.Limiter, c.limiter} {
		if t, ok := l.(taker); ok {
			t.Take()
		}
	}
}

// trip stops everybody because the upstream fails.
func (c *Client) trip(until time.Time) {
	if t, ok := c.o.Limiter.(tripper); ok {
		t.Trip(until)
		return
	}
	c.limiter.Pause(until)
}

// report tells a shared limiter how a request went.
func (c *Client) report(well bool) {
	if r, ok := c.o.Limiter.(reporter); ok {
		r.Report(well)
	}
}

// share gives this replica its part of the concurrency.
func (c *Client) share() {
	if n, ok := c.o.Limiter.(counter); ok {
		if replicas := int64(n.Replicas()); c.replicas.Swap(replicas) != replicas {
			c.slots.resize(max(1, c.o.Concurrency/int(replicas)))
		}
	}
}
