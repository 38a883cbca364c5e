package upstream

import (
	"sync/atomic"
	"time"
)

// Stats is a snapshot of what a Client did and does, for metrics.
type Stats struct {
	Requests    map[string]int64 // sent, by "2xx", "3xx", "4xx", "5xx", "429" (not in "4xx") and "error" (no answer)
	Retries     int64            // attempts after the first
	Pauses      int64            // times the upstream asked us to wait
	PausedUntil time.Time        // zero when there is no pause
	Refused     int64            // next links and redirects that led elsewhere
	Bytes       int64            // body bytes received, as sent over the wire
	Breaker     string           // "closed", "half-open", "open"
	InFlight    int              // export requests
	Passthrough int              // other requests
	Concurrency int              // the most export requests in flight
}

// counters are what Stats is made of.
type counters struct {
	answers                         [6]atomic.Int64 // by hundreds of the status; 0 is no answer
	throttled                       atomic.Int64
	retries, pauses, refused, bytes atomic.Int64
}

// Stats returns a snapshot. Counters only ever grow.
func (c *Client) Stats() Stats {
	inFlight, size := c.slots.state()
	others, _ := c.reserve.state()
	s := Stats{
		Requests: map[string]int64{
			"2xx": c.counters.answers[2].Load(), "3xx": c.counters.answers[3].Load(), "4xx": c.counters.answers[4].Load(),
			"5xx": c.counters.answers[5].Load(), "429": c.counters.throttled.Load(), "error": c.counters.answers[0].Load(),
		},
		Retries:     c.counters.retries.Load(),
		Pauses:      c.counters.pauses.Load(),
		Refused:     c.counters.refused.Load(),
		Bytes:       c.counters.bytes.Load(),
		Breaker:     c.breaker.state(),
		InFlight:    inFlight,
		Passthrough: others,
		Concurrency: size,
	}
	if until := c.pausedUntil(); time.Now().Before(until) {
		s.PausedUntil = until
	}
	return s
}
