package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"sluice/test/stack"
)

// account keeps books of what was asked of the upstream. It needs one replica: then all that was asked for and stands in no commit
// record at a kill is what may be asked for again.
type account struct {
	*loop
	exact  int64 // requests of an undisturbed export: searches and pages
	plan   int64 // of these, by the plan: they stand in no commit record
	before int64 // asked for by earlier exports
	lost   int64 // asked for and in no record at the last kill of the export at hand

	allowed, repeated int64 // of all finished exports
	exports           int
}

func (a *account) asked(ctx context.Context) (int64, error) {
	c, err := a.upstream.Counts(ctx)
	n := c.Pages
	for _, times := range c.Searches {
		n += times
	}
	return n, err
}

// baseline runs one export that nobody disturbs.
func (a *account) baseline(ctx context.Context) error {
	d, err := a.export(ctx, filepath.Join(a.dir, "out-undisturbed"))
	if err != nil {
		return err
	}
	if !d.None() {
		return fmt.Errorf("the rows are not those of the upstream: %v", d)
	}
	ids, err := stack.Jobs(ctx, a.store())
	if err != nil || len(ids) != 1 {
		return fmt.Errorf("%d exports in the store: %w", len(ids), err)
	}
	p, err := stack.ReadProgress(ctx, a.store(), ids[0])
	if err != nil {
		return err
	}
	if a.exact, err = a.asked(ctx); err != nil {
		return err
	}
	a.plan, a.before = a.exact-p.Requests, a.exact
	fmt.Printf("undisturbed: %v, %d requests, %d chunks, %d commit records\n", d, a.exact, p.Chunks, p.Commits)
	return nil
}

// killed is told of a kill that counts, and what stood in the store at that moment. It may be called on nil.
func (a *account) killed(ctx context.Context, p stack.Progress) error {
	if a == nil {
		return nil
	}
	time.Sleep(100 * time.Millisecond) // requests that were under way reach the upstream's books
	asked, err := a.asked(ctx)
	if err != nil {
		return err
	}
	a.lost = asked - a.before - a.plan - p.Requests
	return nil
}

// finished is told of the end of each export.
func (a *account) finished(ctx context.Context) error {
	if a == nil {
		return nil
	}
	asked, err := a.asked(ctx)
	if err != nil {
		return err
	}
	a.repeated += asked - a.before - a.exact
	a.allowed += a.lost
	a.before, a.lost = asked, 0
	a.exports++
	return nil
}

func (a *account) String() string {
	return fmt.Sprintf("requests repeated: %d in %d exports of %d requests each; %d were asked for after the last commit of their chunk when it was killed",
		a.repeated, a.exports, a.exact, a.allowed)
}

func (a *account) check() error {
	if a.repeated > a.allowed {
		return fmt.Errorf("%d requests were repeated, at most %d were allowed", a.repeated, a.allowed)
	}
	return nil
}
