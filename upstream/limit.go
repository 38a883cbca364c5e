package upstream

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter keeps the rate of requests and the pauses. It may be shared by several replicas. An error of Wait that has a method
// Unavailable() (time.Duration, bool) makes the work be put back instead of waiting.
type Limiter interface {
	// Wait returns when one request may be sent.
	Wait(ctx context.Context) error
	// Pause keeps everybody from sending until then. A pause is never cut short by a shorter one.
	Pause(until time.Time)
}

// longPause is the pause that a worker does not sit out: its work is put back.
const longPause = 30 * time.Second

// LocalLimiter is the Limiter of one process: a token bucket and a pause.
type LocalLimiter struct {
	bucket *rate.Limiter // nil: no limit

	mu    sync.Mutex
	until time.Time
}

var (
	_ Limiter = (*LocalLimiter)(nil)
	_ taker   = (*LocalLimiter)(nil)
)

// NewLimiter returns a limiter of perSecond requests a second, burst at once. A rate of 0 means no limit, a burst of 0 one second's
// worth.
func NewLimiter(perSecond float64, burst int) *LocalLimiter {
	if perSecond <= 0 {
		return &LocalLimiter{}
	}
	if burst <= 0 {
		burst = max(1, int(math.Ceil(perSecond)))
	}
	return &LocalLimiter{bucket: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// Wait returns when one request may be sent. When a pause is longer than half a minute it returns a *PausedError at once.
func (l *LocalLimiter) Wait(ctx context.Context) error {
	if err := l.waitPause(ctx); err != nil || l.bucket == nil {
		return err
	}
	if err := l.bucket.Wait(ctx); err != nil {
		if ctx.Err() == nil { // the bucket sees that the deadline would pass
			return context.DeadlineExceeded
		}
		return context.Cause(ctx)
	}
	return l.waitPause(ctx) // it may have come while we stood in the queue
}

func (l *LocalLimiter) waitPause(ctx context.Context) error {
	for {
		wait := time.Until(l.pausedUntil())
		switch {
		case wait <= 0:
			return context.Cause(ctx)
		case wait > longPause:
			return &PausedError{Wait: wait}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Pause keeps everybody from sending until then.
func (l *LocalLimiter) Pause(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.until) {
		l.until = until
	}
}

// Take counts a request that is sent without waiting.
func (l *LocalLimiter) Take() {
	if l.bucket != nil {
		l.bucket.Reserve()
	}
}

func (l *LocalLimiter) pausedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

// PausedError says that nothing may be sent for a long while.
type PausedError struct{ Wait time.Duration }

func (e *PausedError) Error() string {
	return fmt.Sprintf("upstream is paused for %s", e.Wait.Round(time.Second))
}

// Unavailable returns how long.
func (e *PausedError) Unavailable() (time.Duration, bool) { return e.Wait, true }

// sleep waits for d, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
