package upstream

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Within two minutes, prompt retries are at most one in budgetShare requests; budgetFloor of them are always free, so that a small export
// does not stumble over a single dropped connection. A retry beyond that waits for lateMin to lateMax: a server in trouble is not to be
// asked twice as much because of it.
const (
	budgetSlices = 13 // of ten seconds: the window, and the slice that has just begun
	budgetShare  = 10
	budgetFloor  = 5
	lateMin      = 5 * time.Second
	lateMax      = 20 * time.Second
)

// budget counts requests and prompt retries over a sliding window. It is safe for concurrent use.
type budget struct {
	mu                sync.Mutex
	slice             int64 // the newest, in slices since the epoch
	requests, retries [budgetSlices]int
}

// asked counts a request.
func (b *budget) asked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests[b.turn()]++
}

// prompt tells whether a retry may follow at once, and counts it if so.
func (b *budget) prompt() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.turn()
	requests, retries := 0, 0
	for i := range budgetSlices {
		requests, retries = requests+b.requests[i], retries+b.retries[i]
	}
	if retries >= max(budgetFloor, requests/budgetShare) {
		return false
	}
	b.retries[now]++
	return true
}

// turn empties the slices that time has passed and returns the index of the one at hand.
func (b *budget) turn() int {
	now := time.Now().Unix() / 10
	for b.slice = max(b.slice, now-budgetSlices); b.slice < now; b.slice++ {
		next := (b.slice + 1) % budgetSlices
		b.requests[next], b.retries[next] = 0, 0
	}
	return int(b.slice % budgetSlices)
}

// pauseBefore is how long to wait before the retry that follows an attempt.
func (b *budget) pauseBefore(attempt int) time.Duration {
	if d := backoff(attempt); d >= lateMin || b.prompt() {
		return d
	}
	return lateMin + rand.N(lateMax-lateMin)
}
