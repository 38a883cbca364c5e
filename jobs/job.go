package jobs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// State says how far a job has come.
type State string

// A job is pending while its kick-off is being written down, queued until the first claim, running until it ends.
const (
	Pending   State = "pending"
	Queued    State = "queued"
	Running   State = "running"
	Complete  State = "complete"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended reports whether nothing will happen to the job any more.
func (s State) Ended() bool { return s == Complete || s == Failed || s == Cancelled }

// Job is one export as Redis knows it.
type Job struct {
	ID, Client string
	State      State
	Created    time.Time
	Total      int64 // chunks planned so far, and pieces split off them
	Done       int64 // of these, those completed
	Leased     int64 // pieces of work in somebody's hands
	Stuck      bool  // it lives, and there is nothing to be claimed and nothing in anybody's hands: it leads nowhere
	Counters   Counters
	Types      map[string]int64 // rows per type
	Reason     string           // why the work was put back last, "" once it went on
	Updated    time.Time
}

// Counters are the sums of a job, or what one committed segment adds to them. They are for progress displays; the manifest is
// computed from the commit records.
type Counters struct {
	Patients, Rows, Bytes, Errors, Requests int64
}

// Snapshot is what storage knows of a job: all that Restore needs.
type Snapshot struct {
	ID, Client string
	Created    time.Time
	Total      int64           // chunks planned so far
	Done       []int64         // chunks that are closed
	Children   map[string]bool // items split off chunks; true: closed
	Next       string          // the stage that follows when all chunks are done
	Ready      []string        // stages to be worked on now, such as "plan"; chunks need no mention
	Counters   Counters
	Types      map[string]int64 // rows per type
}

// Lease is one piece of work in the hands of one worker.
type Lease struct {
	Job, Client string
	Item        string // "c<N>" for chunk N, "k<id>" for a piece split off one, else the name of a stage
	Token       int64  // fence of the item: 1 is the first claim ever; above 1 somebody may have begun before
	Epoch       string // fence of the job: changed by Cancel and Restore
	Owner       string
	Panics      int64 // how often the item was released with panicked since its last checkpoint
	Deaths      int64 // how often its lease ran out since its last checkpoint while the rest of the job went on
}

// ErrUnknown means that Redis has no such job.
var ErrUnknown = errors.New("no such job")

// ErrLeaseLost means that the work belongs to somebody else now, or to nobody: the job has ended, was cancelled or restored.
var ErrLeaseLost = errors.New("lease lost")

// LimitError refuses a kick-off: the client has as many jobs running and waiting as it may.
type LimitError struct{ RetryAfter time.Duration }

// Error names the wait.
func (e *LimitError) Error() string {
	return fmt.Sprintf("too many exports of this client; retry after %v", e.RetryAfter)
}

// NewID returns the id of a new job: 128 random bits in lower-case hex.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
