package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/test/stack"
)

// recovery is how long an export of this size may take to end after Redis is back.
const recovery = 30 * time.Second

// flush empties Redis in the middle of an export.
func (l *loop) flush(ctx context.Context) error {
	var flushed time.Time
	err := l.disturbed(ctx, func(ctx context.Context, p stack.Progress) error {
		c := redis.NewClient(&redis.Options{Addr: l.redis.Addr})
		defer c.Close()
		flushed = time.Now()
		fmt.Printf("flushed with %d of %d chunks closed\n", p.Closed, p.Chunks)
		return c.FlushAll(ctx).Err()
	})
	return l.recovered(err, flushed)
}

// redisOutage kills Redis in the middle of an export and starts an empty one after a while.
func (l *loop) redisOutage(ctx context.Context) error {
	var back time.Time
	err := l.disturbed(ctx, func(ctx context.Context, p stack.Progress) error {
		l.redis.Kill()
		fmt.Printf("Redis killed with %d of %d chunks closed\n", p.Closed, p.Chunks)
		select {
		case <-time.After(l.outage):
		case <-ctx.Done():
			return ctx.Err()
		}
		back = time.Now()
		return l.redis.Restart(ctx)
	})
	return l.recovered(err, back)
}

func (l *loop) recovered(err error, since time.Time) error {
	if err != nil {
		return err
	}
	took := time.Since(since)
	fmt.Printf("done %.1f s after Redis was back\n", took.Seconds())
	if took > recovery {
		return fmt.Errorf("that is more than %v", recovery)
	}
	return nil
}
