package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Heartbeat extends the leases of owner by their full time, counted by the clock of Redis, and returns those that are lost: taken
// over, or their job has ended; and the jobs of which somebody asked for work lately and found none: their long chunks are worth
// splitting. After an error the leases that are neither lost nor extended live on until they run out.
func (s *Store) Heartbeat(ctx context.Context, owner string, ls []Lease) (lost []Lease, hungry []string, err error) {
	byJob, order := map[string][]Lease{}, []string{}
	for _, l := range ls {
		if l.Owner != owner {
			err = errors.Join(err, fmt.Errorf("heartbeat of %s: %s of job %s was claimed by %s", owner, l.Item, l.Job, l.Owner))
			continue
		}
		if byJob[l.Job] == nil {
			order = append(order, l.Job)
		}
		byJob[l.Job] = append(byJob[l.Job], l)
	}
	for _, id := range order {
		args := []any{s.o.Lease.Milliseconds()}
		for _, l := range byJob[id] {
			args = append(args, l.Item, l.Token, l.Epoch)
		}
		r, _, jerr := s.job(ctx, "heartbeat", id, byJob[id][0].Client, args...)
		if jerr != nil {
			err = errors.Join(err, jerr)
			continue
		}
		if r.num(0) == 1 {
			hungry = append(hungry, id)
		}
		for n, l := range byJob[id] {
			if r.num(n+1) != 1 {
				lost = append(lost, l)
			}
		}
	}
	return lost, hungry, err
}

// Checkpoint adds the counters of one committed segment to those of the job. A seq of an item counts once, whoever reports it, so it
// may be called again; segments of an item are reported in order.
func (s *Store) Checkpoint(ctx context.Context, l Lease, seq int64, c Counters, types map[string]int64) error {
	args := []any{l.Item, l.Token, l.Epoch, seq, c.Patients, c.Rows, c.Bytes, c.Errors, c.Requests}
	for typ, rows := range types {
		args = append(args, typ, rows)
	}
	_, err := s.held(ctx, "checkpoint", l, args...)
	return err
}

// Split makes pieces that were split off the chunk of a lease ready for others; they are items "k<id>". It may be called again, also
// when they are done.
func (s *Store) Split(ctx context.Context, l Lease, children []string) error {
	args := []any{l.Item, l.Token, l.Epoch}
	for _, child := range children {
		if !isChild(child) {
			return fmt.Errorf("split %s of job %s: %q is no name for a child", l.Item, l.Job, child)
		}
		args = append(args, child)
	}
	_, err := s.held(ctx, "split", l, args...)
	return err
}

// Complete says that a chunk, or a piece split off one, is done; after the last one the next stage is ready. It may be called again.
func (s *Store) Complete(ctx context.Context, l Lease) error {
	number := ""
	switch n, isChunk := chunkNumber(l.Item); {
	case isChunk:
		number = strconv.FormatInt(n, 10)
	case !isChild(l.Item):
		return fmt.Errorf("complete %s of job %s: not a chunk", l.Item, l.Job)
	}
	r, err := s.held(ctx, "complete", l, l.Item, l.Token, l.Epoch, number)
	if err != nil {
		return err
	}
	s.wake(ctx, l, r.num(1), r.num(2))
	return nil
}

// Advance says that a stage is done: so many more chunks follow, and after them the stage next, which is ready at once when there
// are none. It may be called again by the same lease.
func (s *Store) Advance(ctx context.Context, l Lease, chunks int64, next string) error {
	if _, isChunk := chunkNumber(l.Item); isChunk || chunks < 0 || next == "" {
		return fmt.Errorf("advance %s of job %s by %d chunks: not a stage with a next one", l.Item, l.Job, chunks)
	}
	r, err := s.held(ctx, "advance", l, l.Item, l.Token, l.Epoch, chunks, next)
	if err != nil {
		return err
	}
	s.wake(ctx, l, r.num(1), 0)
	return nil
}

// Release puts work back, to be claimed again by anybody once after has passed. The reason is shown to people until the job goes
// on; it holds no patient's data. Waiting is not an attempt: only panicked is counted, and told by Lease.Panics.
func (s *Store) Release(ctx context.Context, l Lease, after time.Duration, reason string, panicked bool) error {
	panics := 0
	if panicked {
		panics = 1
	}
	r, err := s.held(ctx, "release", l, l.Item, l.Token, l.Epoch, max(after, 0).Milliseconds(), reason, panics)
	if err != nil {
		return err
	}
	s.wake(ctx, l, r.num(1), 0)
	return nil
}

// Finish ends a job as complete or failed, by whoever holds a piece of it. All other leases of the job are lost, it leaves the
// schedule, and its record is kept for 24 h. It may be called again by the same lease.
func (s *Store) Finish(ctx context.Context, l Lease, state State) error {
	if state != Complete && state != Failed {
		return fmt.Errorf("finish job %s: it cannot end as %q", l.Job, state)
	}
	r, err := s.held(ctx, "finish", l, l.Item, l.Token, l.Epoch, string(state), keptFor.Milliseconds())
	if err != nil {
		return err
	}
	s.wake(ctx, l, r.num(1), 0)
	return s.leave(ctx, l.Job, keptFor)
}

// held runs a script that only the holder of a lease may run.
func (s *Store) held(ctx context.Context, name string, l Lease, args ...any) (reply, error) {
	r, _, err := s.job(ctx, name, l.Job, l.Client, args...)
	if err != nil {
		return nil, err
	}
	if r.str(0) != "ok" {
		return nil, fmt.Errorf("%s %s of job %s: %w", name, l.Item, l.Job, ErrLeaseLost)
	}
	return r, nil
}

// isChild tells that an item is a piece split off a chunk.
func isChild(item string) bool {
	id, ok := strings.CutPrefix(item, "k")
	return ok && id != "" && !strings.Contains(id, ":")
}

// chunkNumber returns N of "c<N>".
func chunkNumber(item string) (int64, bool) {
	digits, ok := strings.CutPrefix(item, "c")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	return int64(n), err == nil && strconv.FormatUint(n, 10) == digits
}
