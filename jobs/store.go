package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options are what a Store needs. Only Redis is required.
type Options struct {
	Redis      redis.UniversalClient
	Prefix     string        // put before every key, for installations that share a Redis; no braces
	Lease      time.Duration // how long a lease lives without a heartbeat; 15 s
	MaxRunning int           // jobs of one client that run at once; 2
	MaxQueued  int           // further jobs of one client that may wait; 10
	Log        *slog.Logger
}

// Store is the state of all exports. It may be used by many goroutines; many processes share one Redis.
type Store struct{ o Options }

// New checks the options. It does not talk to Redis yet.
func New(o Options) (*Store, error) { return &Store{o}, nil }

// Ping asks whether Redis answers.
func (s *Store) Ping(ctx context.Context) error { panic("not yet") }

// Check asks whether this Redis may be used at all: one that evicts keys would lose leases silently.
func (s *Store) Check(ctx context.Context) error { panic("not yet") }

// Embedded starts a Redis inside this process, without a port.
func Embedded(ctx context.Context) (client redis.UniversalClient, stop func(), err error) {
	panic("not yet")
}

// Admit reserves a place for a new job, which stays pending for 60 s. A *LimitError means that the client has too many.
func (s *Store) Admit(ctx context.Context, id, client string) error { panic("not yet") }

// Queue lets a pending job into the queue; its first piece of work is "plan".
func (s *Store) Queue(ctx context.Context, id string) error { panic("not yet") }

// Drop takes back a kick-off that failed after Admit.
func (s *Store) Drop(ctx context.Context, id string) error { panic("not yet") }

// Get returns one job, or ErrUnknown.
func (s *Store) Get(ctx context.Context, id string) (Job, error) { panic("not yet") }

// List returns all jobs, those that have ended included while they are kept.
func (s *Store) List(ctx context.Context) ([]Job, error) { panic("not yet") }

// Cancel ends a job at once.
func (s *Store) Cancel(ctx context.Context, id string) error { panic("not yet") }

// Finish ends a job as complete or failed; the record is kept for 24 h.
func (s *Store) Finish(ctx context.Context, l Lease, state State) error { panic("not yet") }

// Forget removes all traces of a job.
func (s *Store) Forget(ctx context.Context, id string) error { panic("not yet") }

// Restore rebuilds a job that Redis has lost; false when it is there already.
func (s *Store) Restore(ctx context.Context, snap Snapshot) (bool, error) { panic("not yet") }

// Claim gives the next piece of work to owner; nil, nil when there is nothing to do now.
func (s *Store) Claim(ctx context.Context, owner string) (*Lease, error) { panic("not yet") }

// Heartbeat extends the leases and returns those that are lost.
func (s *Store) Heartbeat(ctx context.Context, owner string, ls []Lease) (lost []Lease, err error) {
	panic("not yet")
}

// Checkpoint adds the counters of one committed segment; a repeated seq adds nothing.
func (s *Store) Checkpoint(ctx context.Context, l Lease, seq int64, c Counters, types map[string]int64) error {
	panic("not yet")
}

// Complete says that a chunk is done.
func (s *Store) Complete(ctx context.Context, l Lease) error { panic("not yet") }

// Advance says that a stage is done: so many chunks follow, and then the stage next.
func (s *Store) Advance(ctx context.Context, l Lease, chunks int64, next string) error {
	panic("not yet")
}

// Release puts work back, to be claimed again after a while.
func (s *Store) Release(ctx context.Context, l Lease, after time.Duration, reason string, panicked bool) error {
	panic("not yet")
}

// UseJTI notes the id of an assertion; false when it was used before.
func (s *Store) UseJTI(ctx context.Context, client, jti string, exp time.Time) (bool, error) {
	panic("not yet")
}
