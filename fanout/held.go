package fanout

import (
	"context"
	"errors"
	"sync"
	"time"

	"sluice/jobs"
)

// errLost is the cause of a context whose lease is gone: somebody else may hold the work now, or the job is cancelled.
var errLost = errors.New("lease lost")

// held knows the leases this process holds, and how to stop the work under each.
type held struct {
	mu     sync.Mutex
	hungry map[string]bool // jobs of which somebody found nothing to do lately
	silent time.Time       // since when Redis has not answered; zero: it does
	m      map[heldKey]heldLease
}

type heldKey struct{ job, item string }

type heldLease struct {
	lease jobs.Lease
	stop  context.CancelCauseFunc
}

func newHeld() *held { return &held{m: map[heldKey]heldLease{}} }

// hold registers a lease and returns the context its work runs under.
func (h *held) hold(ctx context.Context, l jobs.Lease) (context.Context, func()) {
	ctx, stop := context.WithCancelCause(ctx)
	k := heldKey{l.Job, l.Item}
	h.mu.Lock()
	h.m[k] = heldLease{l, stop}
	h.mu.Unlock()
	return ctx, func() {
		h.mu.Lock()
		if h.m[k].lease.Token == l.Token {
			delete(h.m, k)
		}
		h.mu.Unlock()
		stop(nil)
	}
}

func (h *held) leases() []jobs.Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	ls := make([]jobs.Lease, 0, len(h.m))
	for _, l := range h.m {
		ls = append(ls, l.lease)
	}
	return ls
}

// part forgets a lease that is about to end with its item: the work after it is nobody else's, and no loss of the lease stops it.
func (h *held) part(l jobs.Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := (heldKey{l.Job, l.Item}); h.m[k].lease.Token == l.Token {
		delete(h.m, k)
	}
}

func (h *held) lose(l jobs.Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if x, ok := h.m[heldKey{l.Job, l.Item}]; ok && x.lease.Token == l.Token {
		x.stop(errLost)
	}
}

// stopAll stops the work under every lease; the leases stay until their work has given them back.
func (h *held) stopAll(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.m {
		x.stop(why)
	}
}

func (h *held) cancelJob(job string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, x := range h.m {
		if k.job == job {
			x.stop(errLost)
		}
	}
}

// redisPatience is how long work goes on when Redis does not answer. After it no page is begun: the lease has run out, or soon will.
const redisPatience = 10 * time.Second

// heard notes whether Redis answered, and whose workers are idle.
func (h *held) heard(hungry []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hungry = map[string]bool{}
	for _, job := range hungry {
		h.hungry[job] = true
	}
	switch {
	case err == nil:
		h.silent = time.Time{}
	case h.silent.IsZero():
		h.silent = time.Now()
	}
}

// isHungry tells that workers of a job are idle.
func (h *held) isHungry(job string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hungry[job]
}

// outOfTouch tells that Redis has been silent for longer than d.
func (h *held) outOfTouch(d time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.silent.IsZero() && time.Since(h.silent) > d
}

// heartbeats renews all leases of this process, apart from the work, until ctx ends. When Redis cannot be asked the page at hand goes
// on and what is whole is published, which is safe without Redis.
func (e *Engine) heartbeats(ctx context.Context) {
	for {
		sleep(ctx, e.Heartbeat)
		if ctx.Err() != nil {
			return
		}
		ls := e.held.leases()
		if len(ls) == 0 {
			continue
		}
		beat, done := context.WithTimeout(ctx, 5*time.Second)
		lost, hungry, err := e.Jobs.Heartbeat(beat, e.owner, ls)
		done()
		e.held.heard(hungry, err)
		if err != nil {
			e.Log.WarnContext(ctx, "heartbeat", "error", err)
			continue
		}
		for _, l := range lost {
			e.held.lose(l)
		}
	}
}
