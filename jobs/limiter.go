package jobs

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// LimiterOptions say how fast the upstream may be asked by all replicas together.
type LimiterOptions struct {
	Rate  float64 // requests a second; 0: no limit, only pauses are shared
	Burst int     // at once; 0: one second's worth
	Owner string  // of this replica; "": made up
}

const (
	horizon      = 200 * time.Millisecond // how far ahead a request is booked
	staleSlot    = 100 * time.Millisecond // a booked slot that was not used by then is gone
	batch        = 8                      // requests booked in one call
	limiterLimit = time.Second            // a call that takes longer counts as: Redis is away
	believeFewer = 5 * time.Second        // how long Redis must know of fewer replicas
	awayFor      = time.Second            // how long Redis is not asked again then
	sitOut       = 30 * time.Second       // a longer pause is not waited for: the work is put back
	firstPause   = 30 * time.Second       // after the upstream failed its probe
	longestPause = 10 * time.Minute
)

// Limiter is the rate limit, the pauses and the probe of all replicas that share one Redis. While Redis is away each replica takes its
// part of the rate, by the number of replicas last known. It is safe for concurrent use.
type Limiter struct {
	s        *Store
	o        LimiterOptions
	interval time.Duration // between requests; 0: no limit
	burst    int

	lead     chan struct{} // held by the one goroutine that asks Redis
	waiting  atomic.Int64
	replicas atomic.Int64
	probing  atomic.Bool

	mu    sync.Mutex
	slots []time.Time // booked and not used yet, ascending
	until time.Time   // of a pause, as known here
	away  time.Time   // until when Redis is not asked
	next  time.Time   // while Redis is away
	fewer time.Time   // since when Redis knows of fewer replicas
}

// NewLimiter returns the limiter of this replica.
func (s *Store) NewLimiter(o LimiterOptions) *Limiter {
	l := &Limiter{s: s, o: o, burst: o.Burst, lead: make(chan struct{}, 1)}
	if l.o.Owner == "" {
		l.o.Owner = NewID()
	}
	if o.Rate > 0 {
		l.interval = time.Duration(float64(time.Second) / o.Rate)
		if l.burst <= 0 {
			l.burst = max(1, int(math.Ceil(o.Rate)))
		}
		// Requests reach the upstream a little later than they were booked, one more, one less: a tenth of the rate is left for that.
		l.burst = max(1, l.burst-int(math.Ceil(o.Rate/10)))
	}
	l.replicas.Store(1)
	return l
}

// Replicas returns how many replicas were alive when Redis was last asked.
func (l *Limiter) Replicas() int { return int(max(1, l.replicas.Load())) }

// Wait returns when one request may be sent. When that is not for a long while it returns an error with
// Unavailable() (time.Duration, bool) at once.
func (l *Limiter) Wait(ctx context.Context) error {
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	for {
		if err := l.waitPause(ctx); err != nil {
			return err
		}
		if slot, ok := l.take(); ok {
			return waitUntil(ctx, slot)
		}
		select {
		case l.lead <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		done, err := l.book(ctx)
		<-l.lead
		if done || err != nil {
			return err
		}
	}
}

// take gives the first slot that was booked and is not stale.
func (l *Limiter) take() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.slots) > 0 {
		slot := l.slots[0]
		l.slots = l.slots[1:]
		if time.Since(slot) < staleSlot {
			return slot, true
		}
	}
	return time.Time{}, false
}

// book asks Redis for slots; done tells that the caller may send now. Only the holder of lead calls it.
func (l *Limiter) book(ctx context.Context) (done bool, err error) {
	l.mu.Lock()
	have, away := len(l.slots) > 0, time.Now().Before(l.away)
	l.mu.Unlock()
	switch {
	case have: // somebody booked while we waited to
		return false, nil
	case away:
		return true, l.alone(ctx)
	}
	call, cancel := context.WithTimeout(ctx, limiterLimit)
	r, err := l.s.run(call, "rate", l.keys("gcra", "pause", "trip", "probe", "ramp", "replicas"), []any{
		l.o.Owner, l.interval.Microseconds(), l.burst, horizon.Microseconds(), min(l.waiting.Load(), batch), l.replicas.Load(),
	})
	cancel()
	now := time.Now() // a moment later than the clock of Redis said: rather late than early
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err != nil {
		l.s.o.Log.WarnContext(ctx, "the shared rate limit cannot be asked: this replica takes its part", "error", err)
		l.mu.Lock()
		if l.away.IsZero() && now.Add(horizon).After(l.next) { // what is booked comes first
			l.next = now.Add(horizon)
		}
		l.away = now.Add(awayFor)
		l.mu.Unlock()
		return true, l.alone(ctx)
	}
	l.met(r.num(0))
	l.mu.Lock()
	l.away = time.Time{}
	l.mu.Unlock()
	switch r.str(1) {
	case "go":
		l.mu.Lock()
		for k := 2; k < len(r); k++ {
			l.slots = append(l.slots, now.Add(time.Duration(r.num(k))*time.Microsecond))
		}
		l.mu.Unlock()
		return false, nil
	case "probe": // alone
		l.probing.Store(true)
		return true, nil
	case "paused":
		l.pausedUntil(now.Add(time.Duration(r.num(2)) * time.Millisecond))
		return false, nil
	}
	return false, waitUntil(ctx, now.Add(time.Duration(r.num(2))*time.Microsecond))
}

// met takes over how many replicas there are. Fewer than before are believed only after a while: who has lost Redis with us may come
// back a moment later, and sends its part until then.
func (l *Limiter) met(alive int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch now := time.Now(); {
	case alive >= l.replicas.Load():
		l.fewer = time.Time{}
		l.replicas.Store(alive)
	case l.fewer.IsZero():
		l.fewer = now
	case now.Sub(l.fewer) > believeFewer:
		l.fewer = time.Time{}
		l.replicas.Store(alive)
	}
}

// alone spaces requests by this replica's part of the rate: never without limit, whatever happens to Redis.
func (l *Limiter) alone(ctx context.Context) error {
	l.mu.Lock()
	slot := l.next
	if now := time.Now(); slot.Before(now) {
		slot = now
	}
	l.next = slot.Add(l.interval * time.Duration(l.Replicas()))
	l.mu.Unlock()
	return waitUntil(ctx, slot)
}

func (l *Limiter) waitPause(ctx context.Context) error {
	for {
		l.mu.Lock()
		wait := time.Until(l.until)
		l.mu.Unlock()
		switch {
		case wait <= 0:
			return context.Cause(ctx)
		case wait > sitOut:
			return &PausedError{Wait: wait}
		}
		if err := waitUntil(ctx, time.Now().Add(wait)); err != nil {
			return err
		}
	}
}

func (l *Limiter) pausedUntil(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.After(l.until) {
		l.until = t
	}
	l.slots = nil
}

// Take counts a request that is sent at once, so that exports make room for it.
func (l *Limiter) Take() {
	l.mu.Lock()
	away := time.Now().Before(l.away)
	l.mu.Unlock()
	if away || l.interval == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), limiterLimit)
	defer cancel()
	_, err := l.s.run(ctx, "rate", l.keys("gcra", "pause", "trip", "probe", "ramp", "replicas"), []any{
		l.o.Owner, l.interval.Microseconds(), l.burst, horizon.Microseconds(), -1, 1,
	})
	if err != nil {
		l.s.o.Log.WarnContext(ctx, "a request is not counted in the shared rate limit", "error", err)
	}
}

// Pause keeps all replicas from sending until then, because the upstream asked for it.
func (l *Limiter) Pause(until time.Time) { l.pause(until, 0) }

// Trip keeps all replicas from sending until then, because the upstream fails; after it one request is let out to see whether it is
// well again.
func (l *Limiter) Trip(until time.Time) { l.pause(until, 1) }

func (l *Limiter) pause(until time.Time, trip int) {
	ms := time.Until(until).Milliseconds()
	if ms <= 0 {
		return
	}
	l.pausedUntil(until)
	ctx, cancel := context.WithTimeout(context.Background(), limiterLimit)
	defer cancel()
	if _, err := l.s.run(ctx, "pause", l.keys("pause", "trip"), []any{ms, trip}); err != nil {
		l.s.o.Log.WarnContext(ctx, "a pause is not shared", "error", err)
	}
}

// Report tells how a request went; the one that was let out as a probe decides whether the upstream is well again.
func (l *Limiter) Report(well bool) {
	if !l.probing.CompareAndSwap(true, false) {
		return
	}
	ok := 0
	if well {
		ok = 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), limiterLimit)
	defer cancel()
	_, err := l.s.run(ctx, "probed", l.keys("pause", "trip", "probe", "ramp"), []any{ok, firstPause.Milliseconds(), longestPause.Milliseconds()})
	if err != nil {
		l.s.o.Log.WarnContext(ctx, "the result of a probe is not shared", "error", err)
	}
}

func (l *Limiter) keys(names ...string) []string {
	for k, name := range names {
		names[k] = l.s.o.Prefix + "{u}:" + name
	}
	return names
}

// PausedError says that nothing may be sent for a long while.
type PausedError struct{ Wait time.Duration }

// Error names the wait.
func (e *PausedError) Error() string {
	return fmt.Sprintf("upstream is paused for %s", e.Wait.Round(time.Second))
}

// Unavailable returns how long.
func (e *PausedError) Unavailable() (time.Duration, bool) { return e.Wait, true }

// waitUntil waits for t, or returns why ctx ended.
func waitUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
