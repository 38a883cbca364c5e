package fanout

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"sluice/export"
	"sluice/jobs"
	"sluice/storage"
)

// Items of a job, as package jobs hands them out: "plan", chunks "c<N>", pieces split off them "k<id>", waves "wave<k>", "finish".
const (
	itemPlan   = "plan"
	itemFinish = "finish"
)

func itemWave(k int) string { return "wave" + strconv.Itoa(k) }

func itemChild(id export.ChunkID) string { return "k" + string(id) }

func parseItem(item string) (kind string, n int64) {
	for _, kind := range []string{"wave", "c"} {
		if rest, ok := strings.CutPrefix(item, kind); ok {
			if n, err := strconv.ParseInt(rest, 10, 64); err == nil {
				return kind, n
			}
		}
	}
	return item, 0
}

// putBack is the error of work that must be done later and is no attempt: the upstream or the store cannot be asked now.
type putBack struct {
	after  time.Duration
	reason string
}

func (p *putBack) Error() string { return p.reason }

// errDraining stops work at a page border because the process is asked to end.
var errDraining = &putBack{reason: "handed over: this process is ending"}

// errNewer says that a newer version of this program made the work.
var errNewer = errors.New("not known to this version")

// worker claims and does work until ctx ends; the work itself runs under the longer-lived work context.
func (e *Engine) worker(ctx, work context.Context) {
	for ctx.Err() == nil {
		if e.stopped.Load() {
			sleep(ctx, e.Poll)
			continue
		}
		lease, err := e.Jobs.Claim(ctx, e.owner)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				e.Log.WarnContext(ctx, "claim", "error", err)
			}
			sleep(ctx, 4*e.Poll)
		case lease == nil:
			select {
			case <-e.wake:
			case <-time.After(e.Poll):
			case <-ctx.Done():
			}
		default:
			e.do(ctx, work, *lease)
		}
	}
}

// do works on one leased item and settles the lease, whatever happens.
func (e *Engine) do(drain, work context.Context, l jobs.Lease) {
	ctx, release := e.held.hold(work, l)
	defer release()
	err, panicked := e.attempt(ctx, drain, l)
	if err == nil {
		e.Wake() // what this item made ready
		return
	}
	if errors.Is(err, jobs.ErrLeaseLost) || errors.Is(context.Cause(ctx), errLost) {
		e.Log.InfoContext(ctx, "lease lost", "job", l.Job, "item", l.Item)
		return
	}
	if context.Cause(ctx) == errStopped {
		err, panicked = errStopped, false
	}
	after, reason := time.Second, "trouble, see the log"
	var back *putBack
	if errors.As(err, &back) {
		after, reason = back.after, back.reason
	}
	switch {
	case back != nil && !panicked:
	case errors.Is(err, export.ErrFormat) || errors.Is(err, errNewer):
		e.Log.WarnContext(ctx, "left to a newer version", "job", l.Job, "item", l.Item, "error", err)
		after, reason = time.Second+rand.N(4*time.Second), "waiting for the version that began it"
	default:
		e.Log.ErrorContext(ctx, "work failed, will be tried again", "job", l.Job, "item", l.Item, "error", err)
		after = min(time.Duration(1<<min(l.Token, 6))*time.Second/2, 30*time.Second)
		if trouble := (*storage.Error)(nil); errors.As(err, &trouble) {
			reason = "waiting: the storage cannot be used"
		}
	}
	clean, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if err := e.Jobs.Release(clean, l, after, reason, panicked); err != nil && !errors.Is(err, jobs.ErrLeaseLost) {
		e.Log.WarnContext(ctx, "release", "job", l.Job, "item", l.Item, "error", err)
	}
}

// attempt does one item once. A panic becomes an error, so that no job can stop the process.
func (e *Engine) attempt(ctx, drain context.Context, l jobs.Lease) (err error, panicked bool) {
	defer func() {
		var p *panicError
		if panicked = errors.As(err, &p); panicked {
			err = fmt.Errorf("panic: %s\n%s", p.said(), p.stack)
		}
	}()
	defer recovered(&err)
	j, err := e.cache.get(ctx, e, l.Job)
	if err != nil {
		return err, false
	}
	if j == nil { // tombstone, or no spec: nothing to do here any more
		return e.Jobs.Cancel(ctx, l.Job), false
	}
	if child, ok := strings.CutPrefix(l.Item, "k"); ok {
		return e.chunk(ctx, drain, j, l, export.ChunkID(child)), false
	}
	switch kind, n := parseItem(l.Item); kind {
	case itemPlan:
		return e.plan(ctx, j, l), false
	case "c":
		return e.chunk(ctx, drain, j, l, export.PlanChunk(n)), false
	case "wave":
		return e.wave(ctx, j, l, int(n)), false
	case itemFinish:
		return e.finish(ctx, j, l), false
	}
	return fmt.Errorf("item %q: %w", l.Item, errNewer), false
}
