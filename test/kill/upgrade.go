package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/export"
	"sluice/test/stack"
)

// upgrade replaces the replicas one by one by a next version, whose records have another format, while an export runs, begins another
// export under that, and takes the version back. The first export ends under the old version; the second waits for the new one.
func (l *loop) upgrade(ctx context.Context) error {
	if export.Format == 1 {
		return errors.New("this reads records of the next version: run it with -tags nextformat")
	}
	old, err := l.startUpstream(ctx)
	if err != nil {
		return err
	}
	if err := l.startReplicas(ctx, old, l.settings.replicas); err != nil {
		return err
	}
	dir := filepath.Join(l.dir, "next")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	next, err := stack.Build(ctx, dir, "nextformat")
	if err != nil {
		return err
	}
	if err := l.roll(ctx, old.Sluice); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.checked(gctx, "begun by the old version") })
	g.Go(func() error {
		first, err := l.awaitMidway(gctx)
		if err != nil {
			return err
		}
		if err := l.roll(gctx, next.Sluice); err != nil {
			return err
		}
		g.Go(func() error { return l.checked(gctx, "begun by the next version") })
		second, err := l.besides(gctx, first.Job)
		if err != nil {
			return err
		}
		if err := l.roll(gctx, old.Sluice); err != nil {
			return err
		}
		before, err := stack.ReadProgress(gctx, l.store(), second)
		if err != nil {
			return err
		}
		if err := l.await(gctx, first.Job, func(p stack.Progress) bool { return p.Finished }); err != nil {
			return err
		}
		after, err := stack.ReadProgress(gctx, l.store(), second)
		if err != nil {
			return err
		}
		fmt.Printf("under the old version again: the first export ended; of the second %d of %d chunks were closed before, %d are now\n",
			before.Closed, before.Chunks, after.Closed)
		if before != after || before.Finished {
			return errors.New("the export of the next version should be in its middle, and the old version should leave it alone")
		}
		return l.roll(gctx, next.Sluice)
	})
	return g.Wait()
}

// besides waits until an export beside the first is in its middle, and returns its id.
func (l *loop) besides(ctx context.Context, first string) (string, error) {
	for {
		ids, err := stack.Jobs(ctx, l.store())
		if err != nil {
			return "", err
		}
		for _, id := range ids {
			if id != first {
				return id, l.await(ctx, id, stack.Progress.Midway)
			}
		}
		if err := pause(ctx); err != nil {
			return "", err
		}
	}
}

// await waits until an export is as is tells.
func (l *loop) await(ctx context.Context, id string, is func(stack.Progress) bool) error {
	for {
		p, err := stack.ReadProgress(ctx, l.store(), id)
		if err != nil || is(p) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checked runs one export and compares it with the truth.
func (l *loop) checked(ctx context.Context, name string) error {
	d, err := l.export(ctx, filepath.Join(l.dir, name))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("%s: %v\n", name, d)
	if !d.None() {
		return errors.New("the rows are not those of the upstream")
	}
	return nil
}

// roll puts a program in the place of the one that runs, replica by replica.
func (l *loop) roll(ctx context.Context, program string) error {
	for _, r := range l.replicas {
		if r.Process != nil {
			if err := r.Terminate(ctx); err != nil {
				return err
			}
		}
		r.Use(program)
		if err := r.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}
