package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
)

// rateOfAll exports with a rate limit for a while, loses Redis once in between, and looks at what reached the upstream.
func (l *loop) rateOfAll(ctx context.Context) error {
	if !l.settings.redis || l.rate <= 0 {
		return errors.New("this needs -redis and -rate")
	}
	if err := l.start(ctx); err != nil {
		return err
	}
	began, before, err := l.since(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, l.outage)
	defer stop()
	done := make(chan error, 1)
	go func() { // an export that is longer than the time: it is given up at the end
		_, err := l.export(ctx, filepath.Join(l.dir, "out"))
		done <- err
	}()
	c := redis.NewClient(&redis.Options{Addr: l.redis.Addr})
	defer c.Close()
	select {
	case <-time.After(l.outage / 2):
	case err := <-done:
		return fmt.Errorf("the export was over before the time was: take more patients (%w)", err)
	}
	undisturbed, requests, err := l.since(ctx)
	if err != nil {
		return err
	}
	mean := float64(requests-before) / undisturbed.Sub(began).Seconds()
	if err := c.FlushAll(ctx).Err(); err != nil {
		return err
	}
	<-done
	busiest, err := l.upstream.Busiest(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	most := int(l.rate) + l.burst
	fmt.Printf("%d replicas at %g a second, burst %d: %.1f a second in the mean, at most %d in one second (allowed: %d), also around a flush of Redis\n",
		l.settings.replicas, l.rate, l.burst, mean, busiest, most)
	switch {
	case busiest > most:
		return errors.New("the upstream saw more than rate and burst in one second")
	case mean < 0.94*l.rate:
		return errors.New("the rate is not used")
	}
	return nil
}

func (l *loop) since(ctx context.Context) (time.Time, int64, error) {
	c, err := l.upstream.Counts(ctx)
	return time.Now(), c.Requests, err
}
