package upstream

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// The breaker opens when at least half of at least 20 calls in 10 s failed. It stays open for 30 s, and twice as long each time the
// probe after that fails, up to 10 minutes.
const (
	breakerWindow  = 10 * time.Second
	breakerCalls   = 20
	breakerOpen    = 30 * time.Second
	breakerOpenMax = 10 * time.Minute
)

// errNotCounted is what a call reports that says nothing about the upstream's health: a 4xx, or our own cancellation.
var errNotCounted = errors.New("not counted")

// breaker stops asking an upstream that is broken. Half open it lets one call through, the probe.
type breaker struct {
	cb     *gobreaker.TwoStepCircuitBreaker[struct{}]
	opened func(until time.Time) // called once each time it opens

	mu    sync.Mutex // taken inside gobreaker's own lock, never around it
	trips int        // since it was last closed
	until time.Time  // gobreaker's own time-out cannot grow, so that we keep the gate
}

func newBreaker(opened func(until time.Time)) *breaker {
	b := &breaker{opened: opened}
	b.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         "upstream",
		MaxRequests:  1,
		Interval:     breakerWindow,
		BucketPeriod: time.Second,
		Timeout:      breakerOpen - time.Second, // always over before our gate lifts
		ReadyToTrip: func(c gobreaker.Counts) bool {
			n := c.TotalFailures + c.TotalSuccesses
			return n >= breakerCalls && 2*c.TotalFailures >= n
		},
		IsExcluded:    func(err error) bool { return errors.Is(err, errNotCounted) },
		OnStateChange: b.changed,
	})
	return b
}

// allow asks whether a call may be made. If so, done must be called with its result; if not, done is nil and wait says for how long.
func (b *breaker) allow() (done func(error), wait time.Duration) {
	if wait := b.closedFor(); wait > 0 {
		return nil, wait
	}
	done, err := b.cb.Allow()
	if err != nil { // the probe is out
		return nil, time.Second + rand.N(4*time.Second)
	}
	return done, 0
}

// closedFor returns how long no call will be allowed; 0 when one may be.
func (b *breaker) closedFor() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, time.Until(b.until))
}

// halfOpen tells that the next call decides whether the breaker closes.
func (b *breaker) halfOpen() bool {
	return b.closedFor() == 0 && b.cb.State() != gobreaker.StateClosed
}

func (b *breaker) changed(_ string, _, to gobreaker.State) {
	b.mu.Lock()
	switch to {
	case gobreaker.StateClosed:
		b.trips = 0
	case gobreaker.StateOpen:
		open := breakerOpenMax
		if b.trips < 5 {
			open = min(open, breakerOpen<<b.trips)
		}
		b.trips++
		b.until = time.Now().Add(open)
	}
	until := b.until
	b.mu.Unlock()
	if to == gobreaker.StateOpen {
		b.opened(until)
	}
}

// state returns "closed", "half-open" or "open".
func (b *breaker) state() string {
	if b.closedFor() > 0 {
		return "open"
	}
	return b.cb.State().String()
}
