package fanout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/export"
	"sluice/jobs"
	"sluice/storage"
)

// reconciler brings jobs back that storage knows and Redis does not: after a restart of the embedded state, after a flush, after a
// failover to a stale replica. It runs at once and then at every Reconcile.
func (e *Engine) reconciler(ctx context.Context) {
	seen := &seenJobs{over: map[string]time.Time{}, idle: map[string]jobs.Job{}}
	for ctx.Err() == nil {
		if err := e.reconcile(ctx, seen); err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "reconcile", "error", err)
		}
		sleep(ctx, e.Reconcile)
	}
}

// seenJobs is what the reconciler remembers from one round to the next.
type seenJobs struct {
	over map[string]time.Time // when a job was first seen with a manifest or tombstone
	idle map[string]jobs.Job  // as Redis had them when they were stuck
}

func (e *Engine) reconcile(ctx context.Context, rounds *seenJobs) error {
	for id, err := range e.Store.Dirs(ctx, export.Root) {
		if err != nil {
			return fmt.Errorf("list jobs: %w", err)
		}
		seen, known := rounds.over[id]
		if known && time.Since(seen) > staleFor {
			continue
		}
		state, err := e.ended(ctx, id)
		if err != nil {
			return err
		}
		if state != "" {
			if !known {
				rounds.over[id] = time.Now()
				delete(rounds.idle, id)
			}
			if err := e.settleStale(ctx, id, state); err != nil {
				return err
			}
			continue
		}
		if err := e.ensure(ctx, id, rounds); !errors.Is(err, jobs.ErrUnknown) {
			if err != nil {
				return err
			}
			continue
		}
		snap, err := e.snapshot(ctx, id)
		if errors.Is(err, storage.ErrNotExist) {
			continue // a kick-off under way, or remains: the janitor's
		}
		if err != nil {
			e.Log.WarnContext(ctx, "cannot restore", "job", id, "error", err)
			continue
		}
		restored, err := e.Jobs.Restore(ctx, snap)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if restored {
			e.Log.InfoContext(ctx, "restored from storage", "job", id, "chunks", snap.Total, "done", len(snap.Done))
			e.Wake()
		}
	}
	return nil
}

// ensure looks after a living job, or returns jobs.ErrUnknown when Redis does not know it. One that is stuck and has not moved since
// the last round leads nowhere, as can be after Redis was set back to an older state: its record is thrown away.
func (e *Engine) ensure(ctx context.Context, id string, rounds *seenJobs) error {
	j, err := e.Jobs.Get(ctx, id)
	if err != nil {
		return err
	}
	before, idle := rounds.idle[id]
	delete(rounds.idle, id)
	if !j.Stuck {
		return e.Jobs.Ensure(ctx, id)
	}
	if idle && before.Updated.Equal(j.Updated) && before.Done == j.Done {
		e.Log.WarnContext(ctx, "Redis and storage disagree: rebuilt from storage", "job", id, "done", j.Done, "chunks", j.Total)
		if err := e.Jobs.Forget(ctx, id); err != nil && !errors.Is(err, jobs.ErrUnknown) {
			return err
		}
		return jobs.ErrUnknown
	}
	rounds.idle[id] = j
	return e.Jobs.Ensure(ctx, id)
}

// staleFor is how long after the end of a job Redis may still come back with a record from before it.
const staleFor = 10 * time.Minute

// ended returns the state that a job has ended in, as its tombstone or manifest says; "" while it has neither.
func (e *Engine) ended(ctx context.Context, id string) (jobs.State, error) {
	dead, err := export.Tombstoned(ctx, e.Store, id)
	if err != nil {
		return "", err
	}
	if dead {
		return jobs.Cancelled, nil
	}
	switch m, err := export.ReadManifest(ctx, e.Store, id); {
	case err == nil:
		return jobs.State(m.State), nil
	case !errors.Is(err, storage.ErrNotExist):
		return "", err
	}
	return "", nil
}

// settleStale tells Redis of the end of a job when it has a record from before: set back to an older state it would keep the job for
// ever, and count it against its client.
func (e *Engine) settleStale(ctx context.Context, id string, state jobs.State) error {
	j, err := e.Jobs.Get(ctx, id)
	if errors.Is(err, jobs.ErrUnknown) || err == nil && j.State.Ended() {
		return nil
	}
	if err != nil {
		return err
	}
	e.Log.InfoContext(ctx, "ended before, says storage", "job", id, "state", string(state))
	if err := e.Jobs.Settle(ctx, id, state); err != nil && !errors.Is(err, jobs.ErrUnknown) {
		return err
	}
	return nil
}

// snapshot makes the state of a job from its records alone.
func (e *Engine) snapshot(ctx context.Context, id string) (jobs.Snapshot, error) {
	spec, err := export.ReadSpec(ctx, e.Store, id)
	if err != nil {
		return jobs.Snapshot{}, err
	}
	j := newJob(id, spec)
	snap := jobs.Snapshot{ID: id, Client: spec.Client, Created: spec.Created, Types: map[string]int64{}}
	plans, err := j.allPlans(ctx, e.Store)
	if err != nil {
		return snap, err
	}
	if len(plans) == 0 {
		snap.Ready = []string{itemPlan}
		return snap, nil
	}
	last := plans[len(plans)-1]
	snap.Total = last.Base + last.Chunks
	snap.Children = map[string]bool{}
	closed := 0
	err = e.commits(ctx, j, func(c *export.Commit) error {
		_, _, _, child := c.Chunk.Parent()
		switch n, ok := c.Chunk.Root(); {
		case c.Continue != nil:
		case child:
			snap.Children[itemChild(c.Chunk)] = true
			closed++
		case ok:
			snap.Done = append(snap.Done, n)
		}
		for _, child := range c.Children {
			if item := itemChild(child.ID); !snap.Children[item] {
				snap.Children[item] = false // known, and not closed as far as we have read
			}
		}
		for _, p := range c.Parts {
			snap.Types[p.Type] += p.Lines
			snap.Counters.Rows += p.Lines
			snap.Counters.Bytes += p.Raw
		}
		snap.Counters.Patients += c.Patients
		snap.Counters.Requests += c.Requests
		snap.Counters.Errors += int64(len(c.Failures))
		return nil
	})
	next := e.nextItem(j, last.Wave, last.Chunks)
	if int64(len(snap.Done)) == snap.Total && closed == len(snap.Children) {
		snap.Ready = []string{next}
	} else {
		snap.Next = next
	}
	return snap, err
}
