package fanout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/export"
	"sluice/jobs"
)

// A chunk that takes long while workers are idle is split: a commit record says where the chunk ends from now on and names the piece
// that others may do. The split is made by the create-if-absent of that record, hence once; Redis is only told of it.

// born finds where a piece that was split off begins and ends; a chunk of a plan is whole.
func (r *chunkRun) born(ctx context.Context) error {
	parent, seq, k, ok := r.id.Parent()
	if !ok {
		return nil
	}
	c, err := export.ReadCommit(ctx, r.e.Store, export.CommitKey(r.j.id, parent, seq))
	if err != nil {
		return fmt.Errorf("read commit %d of chunk %s: %w", seq, parent, err)
	}
	if k >= len(c.Children) || c.Children[k].ID != r.id {
		return fmt.Errorf("chunk %s is not named by its parent", r.id)
	}
	r.pos, r.until = c.Children[k].From, c.Children[k].Until
	return nil
}

// announce takes over where a record ends the chunk, and tells Redis of the pieces it splits off: whoever committed it may have died
// before that.
func (r *chunkRun) announce(ctx context.Context, c *export.Commit) error {
	if len(c.Children) == 0 {
		return nil
	}
	r.until = c.Until
	var items []string
	for _, child := range c.Children {
		items = append(items, itemChild(child.ID))
	}
	if err := r.e.Jobs.Split(ctx, r.lease, items); err != nil {
		if errors.Is(err, jobs.ErrLeaseLost) {
			return err
		}
		return fmt.Errorf("announce: %w", err)
	}
	r.e.Wake()
	return nil
}

// worthSplitting is asked at a page border.
func (r *chunkRun) worthSplitting() bool {
	return time.Since(r.claimed) >= r.e.SplitAfter && r.e.held.isHungry(r.j.id)
}

// split commits what is read and leaves the second half of what is left to others; the chain at hand stays here.
func (r *chunkRun) split(ctx context.Context) error {
	r.claimed = time.Now() // not again at once
	begin := r.pos
	begin.Split = r.shape.splits(begin.Type) - 1
	var rest []export.Position // first chains of the items after the one at hand
	for at, more := r.shape.after(begin); more && (r.until == nil || at.Before(*r.until)); at, more = r.shape.after(at) {
		if at.Split == 0 {
			rest = append(rest, at)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	from := rest[len(rest)/2]
	rec := &r.seg.record
	rec.Children = []export.Child{{ID: r.id.Child(r.seq, 0), From: from, Until: r.until}}
	rec.Until = &from
	r.e.Log.InfoContext(ctx, "chunk split for idle workers", "job", r.j.id, "item", r.lease.Item, "left", len(rest), "given", len(rest)-len(rest)/2)
	if err := r.checkpoint(ctx, &r.pos); err != nil {
		return err
	}
	return r.announce(ctx, rec)
}
