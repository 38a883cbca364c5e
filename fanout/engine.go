package fanout

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sluice/jobs"
	"sluice/storage"
)

// Options are the parts and settings of an Engine. Zero settings get the defaults named here.
type Options struct {
	Jobs   *jobs.Store
	Store  storage.Store
	Source Source
	Audit  Auditor
	Log    *slog.Logger

	Workers       int           // chunks at once in this process; 4
	ChunkPatients int           // most patients of a chunk; 100
	FileSize      int64         // raw bytes of one file a client downloads; 1 GiB
	Retention     time.Duration // how long files stay after completion; 24 h
	// MaxFailedPatients is the share of patients, 0 to 1, above which the job fails; 0.5.
	MaxFailedPatients float64

	PartSize   int64         // compressed bytes that make a segment due; 8 MiB
	PageWindow int           // raw bytes of one page held in memory; larger pages are written to parts of their own; 8 MiB
	Checkpoint time.Duration // longest time between two commits of a chunk; 60 s
	Margin     time.Duration // how far transactionTime stays behind the upstream's clock; 10 s
	Depth      int           // reference waves; 3
	Heartbeat  time.Duration // how often leases are renewed and cancellations noticed; 1 s
	SplitAfter time.Duration // how long a chunk is worked on before it is split for idle workers; 30 s
	Poll       time.Duration // how often an idle worker asks for work; 250 ms
	Reconcile  time.Duration // how often storage is compared with the index; 15 s
	StoreWait  time.Duration // how long one operation of the store may take; 60 s
	Drain      time.Duration // how long running pages may take after Run's context has ended; 15 s
	Linger     time.Duration // how long a tombstone outlives what it buried; 15 min

	// Rows, when set, is told the rows of each committed segment.
	Rows func(typ string, rows int64)
	// Swept, when set, is told of each whole round of the janitor: how many objects were removed since the last one.
	Swept func(removed int64)
}

// Engine works on exports until its Run ends. All replicas that share a store and a Redis may run one each.
type Engine struct {
	Options
	owner   string
	held    *held
	stopped atomic.Bool // by the operator, in all replicas
	cache   *jobCache
	wake    chan struct{}
	bury    chan string
	removed atomic.Int64    // objects, by the janitor
	swept   map[string]bool // ended exports that the janitor has swept; only it looks here
}

// New checks the options and returns an Engine that does nothing until Run.
func New(o Options) (*Engine, error) {
	if o.Jobs == nil || o.Store == nil || o.Source == nil || o.Audit == nil {
		return nil, errors.New("fanout: Jobs, Store, Source and Audit are needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	def(&o.Workers, 4)
	def(&o.ChunkPatients, 100)
	def(&o.FileSize, 1<<30)
	def(&o.Retention, 24*time.Hour)
	def(&o.MaxFailedPatients, 0.5)
	def(&o.PartSize, 8<<20)
	def(&o.PageWindow, 8<<20)
	def(&o.Checkpoint, 60*time.Second)
	def(&o.Margin, 10*time.Second)
	def(&o.Depth, 3)
	def(&o.Heartbeat, time.Second)
	def(&o.SplitAfter, 30*time.Second)
	def(&o.Poll, 250*time.Millisecond)
	def(&o.Reconcile, 15*time.Second)
	def(&o.StoreWait, time.Minute)
	def(&o.Drain, 15*time.Second)
	def(&o.Linger, 15*time.Minute)
	o.Store = storage.Bound(o.Store, o.StoreWait)
	return &Engine{
		Options: o,
		owner:   fmt.Sprintf("%d-%s", os.Getpid(), randomID()),
		held:    newHeld(),
		cache:   newJobCache(),
		wake:    make(chan struct{}, 1),
		bury:    make(chan string, 64),
		swept:   map[string]bool{},
	}, nil
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Run works until ctx ends, then lets running pages end (Drain), commits what it has, gives its leases back and returns. It
// returns nil after such an orderly end.
func (e *Engine) Run(ctx context.Context) error {
	// Work outlives ctx by Drain: a page that is under way is worth ending.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()

	var workers, keepers sync.WaitGroup
	keep, stopKeepers := context.WithCancel(work)
	defer stopKeepers()
	keepers.Go(func() { e.heartbeats(keep) })
	keepers.Go(func() { e.reconciler(ctx) })
	keepers.Go(func() { e.watchStop(ctx) })
	keepers.Go(func() { e.janitor(ctx) })
	for range e.Workers {
		workers.Go(func() { e.worker(ctx, work) })
	}

	<-ctx.Done()
	timer := time.AfterFunc(e.Drain, stop)
	defer timer.Stop()
	workers.Wait()
	stopKeepers()
	keepers.Wait()
	return nil
}

// Wake tells idle workers that there may be work: a kick-off in this process need not wait for the next poll.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Cancelled tells the engine that a job has its tombstone: its work here stops at once and its objects are removed.
func (e *Engine) Cancelled(job string) {
	e.held.cancelJob(job)
	select {
	case e.bury <- job:
	default: // the janitor finds it on its round
	}
}

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
