package fanout_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/bulkdata"
	"sluice/fanout"
	"sluice/jobs"
	"sluice/storage"
	"sluice/storage/memstore"
	"sluice/test/fhirserver"
	"sluice/upstream"
)

// every is the distance between the calls that are made to fail; 1 tries each of them.
var every = flag.Int64("nth.every", 29, "make each n-th call of storage and Redis fail, for n in steps of this")

var errInjected = errors.New("injected")

// R2: each single call of the store fails once, in three ways: not done, done but said to have failed, never answered. All end with the
// same rows.
func TestR2_EachStorageCallFailsOnce(t *testing.T) {
	nth(t, func(r *rig, f *fault) { r.wrap = func(s storage.Store) storage.Store { return faultyStore{s, f} } })
}

// R3: the same for each call of Redis.
func TestR3_EachRedisCallFailsOnce(t *testing.T) {
	nth(t, func(r *rig, f *fault) { r.redis.AddHook(faultyRedis{f}) })
}

func nth(t *testing.T, inject func(*rig, *fault)) {
	fake := newFake(t, fhirserver.Options{Patients: 2, Dangling: true})
	var want map[string]int // the rows of an undisturbed run
	run := func(t *testing.T, f *fault) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
			r := &rig{t: t, fake: fake, store: memstore.New(), log: &logLines{}, types: []string{"Patient", "Condition", "Practitioner", "Observation"}}
			r.edit = func(o *fanout.Options) { o.PartSize, o.Workers = 1, 2 }
			r.connect(upstream.Options{})
			client, stop, err := jobs.Embedded(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			r.useRedis(client)
			inject(r, f)
			id := r.kickOff(bulkdata.Patient, "")
			f.armed.Store(true)
			defer r.engine(nil)()
			m := r.finished(id, time.Hour)
			f.armed.Store(false)
			if want == nil {
				want = r.lines(m.Output)
			}
			r.exact(m, want)
			if left := r.orphans(id, m); len(left) > 0 {
				t.Errorf("%d objects that nothing names, such as %s", len(left), left[0])
			}
		})
	}
	counting := &fault{}
	run(t, counting)
	calls := counting.calls.Load()
	tried, served := 0, 0
	for _, kind := range []faultKind{notDone, doneButFailed, hangs} {
		for n := int64(1); n <= calls; n += *every {
			f := &fault{n: n, kind: kind}
			t.Run(fmt.Sprintf("%s/%d", kind, n), func(t *testing.T) { run(t, f) })
			tried++
			if f.served.Load() {
				served++
			}
		}
	}
	if served < tried*9/10 { // a run that goes another way may be over before its n-th call
		t.Errorf("only %d of %d faults were served", served, tried)
	}
	t.Logf("%d calls in an undisturbed run; %d runs with one fault, %d served", calls, tried, served)
}

type faultKind string

const (
	notDone       faultKind = "not done"
	doneButFailed faultKind = "done but said to have failed"
	hangs         faultKind = "never answered"
)

// fault makes the n-th call go wrong, or those that kindOf says.
type fault struct {
	kindOf func() faultKind
	n      int64
	kind   faultKind
	armed  atomic.Bool
	calls  atomic.Int64
	served atomic.Bool
}

// around makes one call, or not.
func (f *fault) around(ctx context.Context, call func() error) error {
	if !f.armed.Load() {
		return call()
	}
	kind := f.kind
	if f.kindOf != nil {
		kind = f.kindOf()
	} else if f.calls.Add(1) != f.n {
		return call()
	}
	f.served.Store(true)
	switch kind {
	case "":
		return call()
	case doneButFailed:
		if err := call(); err != nil {
			return err
		}
	case hangs:
		<-ctx.Done()
		return ctx.Err()
	}
	return errInjected
}

// faultyStore asks the fault at every operation.
type faultyStore struct {
	storage.Store
	f *fault
}

func (s faultyStore) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	w, err := s.Store.Create(ctx, key, o)
	return faultyWriter{w, ctx, s.f}, err
}

type faultyWriter struct {
	storage.Writer
	ctx context.Context
	f   *fault
}

func (w faultyWriter) Commit() (info storage.Info, err error) {
	err = w.f.around(w.ctx, func() error { info, err = w.Writer.Commit(); return err })
	return info, err
}

func (s faultyStore) Open(ctx context.Context, key string, offset, length int64) (body io.ReadCloser, err error) {
	err = s.f.around(ctx, func() error { body, err = s.Store.Open(ctx, key, offset, length); return err })
	return body, err
}

func (s faultyStore) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if err := s.f.around(ctx, func() error { return nil }); err != nil {
			yield(storage.Info{}, err)
			return
		}
		s.Store.List(ctx, prefix)(yield)
	}
}

func (s faultyStore) Stat(ctx context.Context, key string) (info storage.Info, err error) {
	err = s.f.around(ctx, func() error { info, err = s.Store.Stat(ctx, key); return err })
	return info, err
}

func (s faultyStore) Delete(ctx context.Context, key string) error {
	return s.f.around(ctx, func() error { return s.Store.Delete(ctx, key) })
}

// faultyRedis asks the fault at every command.
type faultyRedis struct{ f *fault }

func (h faultyRedis) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h faultyRedis) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := h.f.around(ctx, func() error { return next(ctx, cmd) })
		if errors.Is(err, errInjected) {
			cmd.SetErr(err)
		}
		return err
	}
}

func (h faultyRedis) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
