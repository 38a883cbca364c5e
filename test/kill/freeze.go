package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/test/stack"
)

// takeOver is how long the work of a replica that stands still may lie idle.
const takeOver = 20 * time.Second

// disturbed runs one export and disturb, in its middle, at the same time.
func (l *loop) disturbed(ctx context.Context, disturb func(ctx context.Context, p stack.Progress) error) error {
	if !l.settings.redis {
		return errors.New("this needs -redis")
	}
	if err := l.start(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Minute)
	defer stop()
	done := make(chan error, 1)
	go func() {
		p, err := l.awaitMidway(ctx)
		if err == nil {
			err = disturb(ctx, *p)
		}
		done <- err
	}()
	d, err := l.export(ctx, filepath.Join(l.dir, "out"))
	if err != nil {
		return err
	}
	if err := <-done; err != nil {
		return err
	}
	busiest, err := l.upstream.Busiest(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%v; at most %d requests in one second\n", d, busiest)
	if !d.None() {
		return errors.New("the rows are not those of the upstream")
	}
	if l.rate > 0 && busiest > int(l.rate)+l.burst {
		return fmt.Errorf("%d requests in one second, allowed are %g and a burst of %d", busiest, l.rate, l.burst)
	}
	return nil
}

func (l *loop) awaitMidway(ctx context.Context) (*stack.Progress, error) {
	for {
		p, err := l.midway(ctx)
		if err != nil || p != nil {
			return p, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// freeze stops a replica that holds leases, looks how long its work lies idle, and lets it go on as a zombie.
func (l *loop) freeze(ctx context.Context) error {
	if l.settings.replicas < 2 {
		return errors.New("this needs -replicas 2 or more")
	}
	return l.disturbed(ctx, func(ctx context.Context, p stack.Progress) error {
		c := redis.NewClient(&redis.Options{Addr: l.redis.Addr})
		defer c.Close()
		victim := l.replicas[0]
		var items []string
		for len(items) == 0 {
			if err := victim.Freeze(); err != nil {
				return err
			}
			var err error
			if items, err = owned(ctx, c, p.Job, victim.PID()); err != nil {
				return err
			}
			if len(items) == 0 {
				if err := victim.Thaw(); err != nil {
					return err
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
		began := time.Now()
		for left := items; len(left) > 0; {
			time.Sleep(50 * time.Millisecond)
			var err error
			if left, err = owned(ctx, c, p.Job, victim.PID()); err != nil {
				return err
			}
			if time.Since(began) > takeOver {
				return fmt.Errorf("after %v nobody has taken %v over", takeOver, left)
			}
		}
		fmt.Printf("a replica with %d pieces of work stood still: taken over after %.1f s\n", len(items), time.Since(began).Seconds())
		select {
		case <-time.After(l.outage - time.Since(began)):
		case <-ctx.Done():
		}
		return victim.Thaw()
	})
}

// owned returns the pieces of an export that a process holds.
func owned(ctx context.Context, c *redis.Client, job string, pid int) (items []string, err error) {
	all, err := c.ZRange(ctx, "{j:"+job+"}:l", 0, -1).Result()
	if err != nil {
		return nil, err
	}
	for _, item := range all {
		owner, err := c.HGet(ctx, "{j:"+job+"}:i", item+":o").Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		if strings.HasPrefix(owner, fmt.Sprintf("%d-", pid)) {
			items = append(items, item)
		}
	}
	return items, nil
}
