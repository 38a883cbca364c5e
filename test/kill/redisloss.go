package main

import (
	"context"
	"fmt"
	"strings"
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

// outOfMemory lets Redis reach its maxmemory for a while (R10): kick-offs are refused with 503, and the export goes on or waits.
func (l *loop) outOfMemory(ctx context.Context) error {
	var back time.Time
	err := l.disturbed(ctx, func(ctx context.Context, p stack.Progress) error {
		c := redis.NewClient(&redis.Options{Addr: l.redis.Addr})
		defer c.Close()
		if err := c.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
			return err
		}
		fmt.Printf("Redis full with %d of %d chunks closed\n", p.Closed, p.Chunks)
		client := stack.Client{Base: "http://" + l.balancer.Addr + "/fhir", ID: "loader", Key: l.key}
		refused := 0
		for began := time.Now(); time.Since(began) < l.outage; time.Sleep(time.Second) {
			status, err := client.KickOff(ctx, "/Patient/$export")
			if err == nil || !strings.Contains(err.Error(), "503") {
				return fmt.Errorf("a kick-off while Redis is full: %q, %v; want 503", status, err)
			}
			refused++
		}
		fmt.Printf("%d kick-offs refused with 503\n", refused)
		back = time.Now()
		return c.ConfigSet(ctx, "maxmemory", "0").Err()
	})
	return l.recovered(err, back)
}

// stale is how long the replica stands still before the primary dies: it is behind by as much.
const stale = 3 * time.Second

// failover kills the primary of a replica set whose replica is behind; the sentinels promote it.
func (l *loop) failover(ctx context.Context) error {
	var died time.Time
	err := l.disturbed(ctx, func(ctx context.Context, p stack.Progress) error {
		if err := l.set.Replica.Freeze(); err != nil {
			return err
		}
		time.Sleep(stale)
		l.set.Primary.Kill()
		died = time.Now()
		fmt.Printf("primary killed with %d of %d chunks closed; its replica is %v behind\n", p.Closed, p.Chunks, stale)
		return l.set.Replica.Thaw()
	})
	return l.recovered(err, died)
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
