package fanout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sluice/export"
	"sluice/fhir"
	"sluice/jobs"
	"sluice/storage"
)

// refsPerChunk is how many references one chunk of a wave reads at most.
const refsPerChunk = 1000

// wave plans reference wave k: what the rows written so far refer to and no earlier wave has read.
func (e *Engine) wave(ctx context.Context, j *job, l jobs.Lease, k int) error {
	p, err := j.plan(ctx, e.Store, k)
	if errors.Is(err, storage.ErrNotExist) {
		p, err = e.writeWave(ctx, j, k)
	}
	if err != nil {
		return e.disagree(ctx, j, err)
	}
	e.Log.InfoContext(ctx, "wave planned", "job", j.id, "wave", k, "chunks", p.Chunks)
	return e.Jobs.Advance(ctx, l, p.Chunks, e.nextItem(j, k, p.Chunks))
}

func (e *Engine) writeWave(ctx context.Context, j *job, k int) (*export.Plan, error) {
	earlier, err := j.allPlans(ctx, e.Store)
	if err != nil {
		return nil, err
	}
	if len(earlier) != k {
		return nil, fmt.Errorf("wave %d: %d plans before it", k, len(earlier))
	}
	refs, err := e.openReferences(ctx, j, earlier)
	if err != nil {
		return nil, err
	}
	last := earlier[k-1]
	p := &export.Plan{Format: j.spec.Format, Attempt: randomID(), Wave: k, Base: last.Base + last.Chunks}
	w := planWriter{e: e, j: j, p: p}
	for _, ref := range refs {
		if err := w.add(ctx, ref, refsPerChunk); err != nil {
			return nil, err
		}
	}
	if err := w.close(ctx, refsPerChunk); err != nil {
		return nil, err
	}
	if err := e.writeOnce(ctx, export.PlanKey(j.id, k), p); err != nil && !errors.Is(err, storage.ErrExist) {
		return nil, fmt.Errorf("write plan of wave %d: %w", k, err)
	}
	return j.plan(ctx, e.Store, k)
}

// openReferences returns, sorted, what was referred to and not read yet: references to followed types, and rows that a patient's
// search saw but whose owner did not write.
func (e *Engine) openReferences(ctx context.Context, j *job, earlier []*export.Plan) ([]string, error) {
	open := map[string]struct{}{}
	add(open, earlier[0].References)
	deferred, shared := map[string]struct{}{}, map[string]struct{}{}
	closed := newClosedChunks(earlier)
	err := e.commits(ctx, j, func(c *export.Commit) error {
		closed.add(c)
		add(open, c.References)
		add(deferred, c.Deferred)
		add(shared, c.Shared)
		return nil
	})
	if err == nil {
		err = closed.check() // what is not read yet may still be written by its owner
	}
	if err != nil {
		return nil, err
	}
	for ref := range deferred {
		if _, written := shared[ref]; !written {
			open[ref] = struct{}{}
		}
	}
	for _, p := range earlier[1:] {
		for _, part := range p.Parts {
			err := export.ReadList(ctx, e.Store, part.Key, func(line []byte) error {
				delete(open, string(line))
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", part.Key, err)
			}
		}
	}
	refs := make([]string, 0, len(open))
	for s := range open {
		if ref, ok := fhir.ParseReference(s); ok && j.wants(ref.Type) {
			refs = append(refs, s)
		}
	}
	slices.Sort(refs)
	return refs, nil
}

func add(set map[string]struct{}, refs []string) {
	for _, ref := range refs {
		set[ref] = struct{}{}
	}
}

// commits gives every commit record of the job in the order of chunk and sequence.
func (e *Engine) commits(ctx context.Context, j *job, f func(*export.Commit) error) error {
	for info, err := range e.Store.List(ctx, export.CommitPrefix(j.id)) {
		if err != nil {
			return fmt.Errorf("list commits: %w", err)
		}
		if _, _, ok := export.ParseCommitKey(j.id, info.Key); !ok {
			continue
		}
		c, err := export.ReadCommit(ctx, e.Store, info.Key)
		if err != nil {
			return fmt.Errorf("read %s: %w", info.Key, err)
		}
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}
