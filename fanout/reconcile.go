package fanout

import (
	"context"
	"errors"
	"fmt"

	"sluice/export"
	"sluice/jobs"
	"sluice/storage"
)

// reconciler brings jobs back that storage knows and Redis does not: after a restart of the embedded state, after a flush, after a
// failover to a stale replica. It runs at once and then at every Reconcile.
func (e *Engine) reconciler(ctx context.Context) {
	over := map[string]bool{} // jobs with a manifest or tombstone: never looked at again
	for ctx.Err() == nil {
		if err := e.reconcile(ctx, over); err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "reconcile", "error", err)
		}
		sleep(ctx, e.Reconcile)
	}
}

func (e *Engine) reconcile(ctx context.Context, over map[string]bool) error {
	for id, err := range e.Store.Dirs(ctx, export.Root) {
		if err != nil {
			return fmt.Errorf("list jobs: %w", err)
		}
		if over[id] {
			continue
		}
		ended, err := e.ended(ctx, id)
		if err != nil {
			return err
		}
		if ended {
			over[id] = true
			continue
		}
		if err := e.Jobs.Ensure(ctx, id); !errors.Is(err, jobs.ErrUnknown) {
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

// ended tells that a job has its manifest or tombstone.
func (e *Engine) ended(ctx context.Context, id string) (bool, error) {
	for _, key := range []string{export.ManifestKey(id), export.TombstoneKey(id)} {
		switch _, err := e.Store.Stat(ctx, key); {
		case err == nil:
			return true, nil
		case !errors.Is(err, storage.ErrNotExist):
			return false, err
		}
	}
	return false, nil
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
			snap.Children[itemChild(child.ID)] = snap.Children[itemChild(child.ID)]
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
