package jobs

import (
	"context"
	"fmt"
	"slices"
)

// Restore rebuilds a job that Redis has lost from what storage knows, and returns true; of many callers one does. When the job is
// there, pending and ended ones included, its state stays as it is and Restore returns false; a living one that has fallen out of
// the schedule is put back. Limits do not hold a restored job up, only the number that run at once.
//
// Leases from before the loss never match again. The first claim of an item has token 2 now: somebody may have begun it.
func (s *Store) Restore(ctx context.Context, snap Snapshot) (bool, error) {
	if snap.ID == "" || snap.Client == "" || snap.Total < 0 {
		return false, fmt.Errorf("restore job %s: a snapshot needs an id, a client and a total", snap.ID)
	}
	bits, done, err := bitmap(snap.Done, snap.Total)
	if err != nil {
		return false, fmt.Errorf("restore job %s: %w", snap.ID, err)
	}
	stages := slices.DeleteFunc(slices.Clone(snap.Ready), func(item string) bool {
		_, isChunk := chunkNumber(item)
		return isChunk // handed out anyway
	})
	if len(stages) > 1 {
		return false, fmt.Errorf("restore job %s: %d stages cannot be ready at once", snap.ID, len(stages))
	}
	stage := ""
	if len(stages) == 1 {
		stage = stages[0]
	}
	created := snap.Created.UnixMilli()
	c := snap.Counters
	args := []any{
		snap.ID, snap.Client, newEpoch(), created, snap.Total, done, bits, snap.Next, stage,
		c.Patients, c.Rows, c.Bytes, c.Errors, c.Requests, len(snap.Children),
	}
	for child, done := range snap.Children {
		state := "open"
		if done {
			state = "done"
		}
		args = append(args, child, state)
	}
	for typ, rows := range snap.Types {
		args = append(args, typ, rows)
	}
	r, _, err := s.job(ctx, "restore", snap.ID, snap.Client, args...)
	if err != nil {
		return false, err
	}
	restored := r.str(0) == "restored"
	if state := State(r.str(0)); restored || state == Queued || state == Running {
		return restored, s.enroll(ctx, snap.ID, snap.Client, created)
	}
	return restored, nil
}

// Ensure looks whether a job is there, or returns ErrUnknown: then it needs Restore. A living job that has fallen out of the schedule
// is put back, as it may after a crash in the middle of Restore or when Redis has lost the schedule alone.
func (s *Store) Ensure(ctx context.Context, id string) error {
	j, err := s.Get(ctx, id)
	if err != nil || j.State != Queued && j.State != Running {
		return err
	}
	return s.enroll(ctx, id, j.Client, j.Created.UnixMilli())
}

func (s *Store) enroll(ctx context.Context, id, client string, created int64) error {
	_, err := s.schedule(ctx, "enroll", id, client, created, s.o.MaxRunning)
	return err
}

// bitmap returns the chunks as SETBIT would write them, and how many different ones they are.
func bitmap(chunks []int64, total int64) (bits string, n int64, err error) {
	var b []byte
	for _, c := range chunks {
		if c < 0 || c >= total {
			return "", 0, fmt.Errorf("chunk %d of %d cannot be done", c, total)
		}
		if grow := int(c/8) + 1 - len(b); grow > 0 {
			b = append(b, make([]byte, grow)...)
		}
		if mask := byte(0x80) >> (c % 8); b[c/8]&mask == 0 {
			b[c/8] |= mask
			n++
		}
	}
	return string(b), n, nil
}
