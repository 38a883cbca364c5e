package jobs

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// retryAfterLimit is what a client over its limit is told to wait: short, since a job ends at any time.
const retryAfterLimit = 30 * time.Second

// Admit reserves a place for a new job, which is pending for 60 s and then gone unless Queue was called. A *LimitError means that
// the client has all the jobs it may have; nothing is left behind then. The same id and client may be admitted again while pending.
func (s *Store) Admit(ctx context.Context, id, client string) error {
	if id == "" || client == "" {
		return errors.New("admit: a job needs an id and a client")
	}
	r, err := s.schedule(ctx, "admit", id, client, s.o.MaxRunning+s.o.MaxQueued, pendingFor.Milliseconds())
	if err != nil {
		return err
	}
	switch outcome := r.str(1); {
	case outcome == "full":
		return &LimitError{RetryAfter: retryAfterLimit}
	case outcome != "ok" || r.str(0) != client:
		return fmt.Errorf("admit job %s: the id is taken", id)
	}
	j, _, err := s.job(ctx, "create", id, client, id, client, newEpoch(), pendingFor.Milliseconds())
	if err != nil {
		return err
	}
	if j.str(0) != "ok" {
		return fmt.Errorf("admit job %s: the id is taken", id)
	}
	return nil
}

// Queue lets a pending job into the queue; its first piece of work is "plan". ErrUnknown means that the reservation has lapsed.
// It may be called again. After an error the job may be queued or not: Drop it.
//
// The schedule comes first: if the process dies between the two scripts, the record lapses, the schedule notices, and Restore can
// rebuild the job from its spec. The other way round a record without a schedule would stand in the way of Restore.
func (s *Store) Queue(ctx context.Context, id string) error {
	r, err := s.schedule(ctx, "enroll", id, "", 0, s.o.MaxRunning)
	if err != nil {
		return err
	}
	if r.str(1) != "ok" {
		return fmt.Errorf("queue job %s: %w", id, ErrUnknown)
	}
	j, _, err := s.job(ctx, "queue", id, r.str(0))
	if err != nil {
		return err
	}
	if j.str(0) != "ok" {
		return errors.Join(fmt.Errorf("queue job %s: %w", id, ErrUnknown), s.leave(ctx, id, 0))
	}
	return nil
}

// Drop takes back a kick-off that failed after Admit, whether Queue was called or not. It may be called again.
func (s *Store) Drop(ctx context.Context, id string) error { return s.Forget(ctx, id) }

// Forget removes all traces of a job at once. Leases of it are lost. It may be called again.
func (s *Store) Forget(ctx context.Context, id string) error {
	if _, _, err := s.job(ctx, "forget", id, ""); err != nil {
		return err
	}
	return s.leave(ctx, id, 0)
}

// Cancel ends a job at once: all its leases are lost, and it no longer counts towards the limits of its client. The record is kept
// for 24 h. A job that has ended stays as it is. It may be called again.
func (s *Store) Cancel(ctx context.Context, id string) error { return s.Settle(ctx, id, Cancelled) }

// Settle is Cancel with the state that storage says the job has ended in: for a record that Redis has from before the end.
func (s *Store) Settle(ctx context.Context, id string, state State) error {
	if !state.Ended() {
		return fmt.Errorf("settle job %s: it cannot end as %q", id, state)
	}
	r, _, err := s.job(ctx, "cancel", id, "", keptFor.Milliseconds(), string(state))
	if err != nil {
		return err
	}
	if r.str(0) == "unknown" {
		return errors.Join(fmt.Errorf("cancel job %s: %w", id, ErrUnknown), s.leave(ctx, id, 0))
	}
	return s.leave(ctx, id, keptFor)
}

// leave takes a job out of the schedule; keep says how long its record is kept.
func (s *Store) leave(ctx context.Context, id string, keep time.Duration) error {
	_, err := s.schedule(ctx, "leave", id, keep.Milliseconds(), s.o.MaxRunning)
	return err
}

// newEpoch returns a random number that Lua's doubles hold exactly, with room to count on.
func newEpoch() string {
	var b [8]byte
	rand.Read(b[:])
	return strconv.FormatUint(binary.BigEndian.Uint64(b[:])>>13+1, 10)
}
