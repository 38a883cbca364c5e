package pull

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// patience decides whether and when to try again. Each loop that waits for a server has its own.
type patience struct {
	limit time.Duration
	since time.Time // of the first failure in a row
	tries int
}

// reset: it went well, or at least on.
func (p *patience) reset() { p.since, p.tries = time.Time{}, 0 }

// wait returns nil when it is time for another try: after what the server asked for, or after a growing while. It returns err when
// another try is of no use, or when failures in a row have gone on for longer than limit.
func (p *patience) wait(ctx context.Context, err error) error {
	if ctx.Err() != nil || !temporary(err) {
		return err
	}
	if p.tries == 0 {
		p.since = time.Now()
	}
	p.tries++
	delay, asked := backoff(p.tries), false
	if e, ok := errors.AsType[*Error](err); ok && e.waitSet {
		delay, asked = max(e.wait, time.Second), true
	}
	// Who waited as long as the server asked for has earned some tries.
	if gone := time.Since(p.since); gone >= p.limit && (!asked || p.tries > 3) {
		return fmt.Errorf("given up after %s: %w", gone.Round(time.Second), err)
	}
	if sleep(ctx, delay) != nil {
		return err
	}
	return nil
}

// backoff is 1 s, doubling up to 30 s, half of it by chance.
func backoff(try int) time.Duration {
	d := min(time.Second<<min(try-1, 5), 30*time.Second)
	return d/2 + rand.N(d/2)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
