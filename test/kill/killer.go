package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/test/stack"
)

// killer kills random replicas at random moments until there are kills enough or ctx ends.
func (l *loop) killer(ctx context.Context) error {
	for ctx.Err() == nil && l.counted.Load() < int64(l.kills) {
		l.wait(ctx, l.min, l.max)
		if ctx.Err() != nil {
			return nil
		}
		victim := l.replicas[l.random.IntN(len(l.replicas))]
		midway, err := l.stillness(ctx, victim)
		if err != nil {
			return fmt.Errorf("look at the store: %w", err)
		}
		if midway == nil {
			l.other++
			continue
		}
		if err := l.account.killed(ctx, *midway); err != nil {
			return err
		}
		l.counted.Add(1)
		l.wait(ctx, 0, l.min)
		if err := victim.Start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// stillness freezes all replicas, looks whether this is a moment that counts, and if so kills the victim. The others go on.
func (l *loop) stillness(ctx context.Context, victim *stack.Replica) (*stack.Progress, error) {
	for _, r := range l.replicas {
		if err := r.Freeze(); err != nil {
			return nil, err
		}
		defer func() {
			if !r.Ended() {
				_ = r.Thaw() // fails only when it is gone
			}
		}()
	}
	midway, err := l.midway(ctx)
	if err != nil || midway == nil {
		return nil, err
	}
	if l.redis != nil {
		if holds, err := l.holdsLease(ctx, midway.Job, victim.PID()); err != nil || !holds {
			return nil, err
		}
	}
	victim.Kill()
	return midway, nil
}

// midway returns an export of which some and not all is committed.
func (l *loop) midway(ctx context.Context) (*stack.Progress, error) {
	ids, err := stack.Jobs(ctx, l.store())
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		p, err := stack.ReadProgress(ctx, l.store(), id)
		if err != nil {
			return nil, err
		}
		if p.Midway() {
			return &p, nil
		}
	}
	return nil, nil
}

// holdsLease asks Redis whether a process has a piece of an export in its hands.
func (l *loop) holdsLease(ctx context.Context, job string, pid int) (bool, error) {
	c := redis.NewClient(&redis.Options{Addr: l.redis.Addr})
	defer c.Close()
	items, err := owned(ctx, c, job, pid)
	return len(items) > 0, err
}

func (l *loop) wait(ctx context.Context, least, most time.Duration) {
	d := least
	if most > least {
		d += time.Duration(l.random.Int64N(int64(most - least)))
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
