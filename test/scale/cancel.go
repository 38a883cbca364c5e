package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/export"
	"sluice/test/stack"
)

const (
	hangingRequests = 64
	mostAfter       = 2 * time.Second // how long after DELETE the upstream may still be asked
)

// cancel deletes an export while 64 of its requests hang, and looks for what still happens.
func cancel(ctx context.Context, b stack.Binaries, dir string) error {
	s, err := open(ctx, b, dir, 100_000, hangingRequests, hangingRequests)
	if err != nil {
		return err
	}
	defer s.close()
	status, err := s.client.KickOff(ctx, "/Patient/$export")
	if err != nil {
		return err
	}
	if err := s.await(ctx, func(p stack.Progress) bool { return p.Planned }, s.plan); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // something is written
	s.hospital.hang.Store(true)
	for began := time.Now(); s.hospital.hanging.Load() < hangingRequests; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			return fmt.Errorf("only %d requests hang", s.hospital.hanging.Load())
		}
	}
	deleted := time.Now()
	if err := s.client.Delete(ctx, status); err != nil {
		return err
	}
	for s.hospital.hanging.Load() > 0 {
		if time.Since(deleted) > 30*time.Second {
			return fmt.Errorf("%d requests still hang", s.hospital.hanging.Load())
		}
		time.Sleep(5 * time.Millisecond)
	}
	cut := time.Since(deleted)
	job := status[strings.LastIndex(status, "/")+1:]
	left := -1
	for began := time.Now(); left != 0 && time.Since(began) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		keys, err := stack.Objects(ctx, s.store(), job)
		if err != nil {
			return err
		}
		left = 0
		for _, key := range keys {
			if key != export.TombstoneKey(job) {
				left++
			}
		}
	}
	gone := time.Since(deleted)
	last := time.Unix(0, s.hospital.last.Load()).Sub(deleted)
	fmt.Printf("deleted with %d requests hanging: all cut off after %.2f s, the last one began %.2f s after the DELETE (allowed: %v), %d objects left after %.1f s\n",
		hangingRequests, cut.Seconds(), max(last, 0).Seconds(), mostAfter, left, gone.Seconds())
	switch {
	case cut > mostAfter || last > mostAfter:
		return errors.New("the upstream is still asked")
	case left > 0:
		return errors.New("something is left")
	}
	return nil
}
