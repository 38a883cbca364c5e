package gateway

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds the memory of one limiter: about 2 MB.
const maxBuckets = 10_000

// limiter gives every key its own bucket of tokens. A nil limiter lets everything through. When there are too many keys, those that
// have been quiet long enough to be full again are forgotten first; after them, any: a flood of keys is bounded in memory before all.
type limiter struct {
	limit rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	*rate.Limiter
	used time.Time
}

// newLimiter allows n in each span of time, and burst at once; nil, without limit, when n is negative.
func newLimiter(n int, per time.Duration, burst int) *limiter {
	if n < 0 {
		return nil
	}
	return &limiter{limit: rate.Every(per / time.Duration(n)), burst: burst, buckets: map[string]*bucket{}}
}

// take uses one token of key, or says how long to wait for the next.
func (l *limiter) take(key string) (wait time.Duration, ok bool) {
	if l == nil {
		return 0, true
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			l.forget(now)
		}
		b = &bucket{Limiter: rate.NewLimiter(l.limit, l.burst)}
		l.buckets[key] = b
	}
	b.used = now
	r := b.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait, false
	}
	return 0, true
}

// forget makes room. l.mu is held.
func (l *limiter) forget(now time.Time) {
	refill := time.Duration(float64(l.burst) / float64(l.limit) * float64(time.Second))
	for key, b := range l.buckets {
		if now.Sub(b.used) > refill {
			delete(l.buckets, key)
		}
	}
	for key := range l.buckets {
		if len(l.buckets) < maxBuckets*3/4 {
			return
		}
		delete(l.buckets, key)
	}
}
