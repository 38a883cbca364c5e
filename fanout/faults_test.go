package fanout_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/bulkdata"
	"sluice/export"
	"sluice/fanout"
	"sluice/fhir"
	"sluice/jobs"
	"sluice/storage"
	"sluice/test/fhirserver"
)

// E5: Redis loses everything, again and again, while two replicas work.
func TestE5_RedisFlushedInMidJob(t *testing.T) {
	inWorld(t, fhirserver.Options{Extras: true, Delay: 200 * time.Millisecond}, func(o *fanout.Options) { o.PartSize = 1 }, func(r *rig) {
		id := r.kickOff(bulkdata.Patient, "")
		defer r.engine(nil)()
		defer r.engine(nil)()
		flushes := 0
		for range 3 {
			time.Sleep(7 * time.Second)
			if _, err := export.ReadManifest(r.t.Context(), r.store, id); errors.Is(err, storage.ErrNotExist) {
				flushes++
				if err := r.redis.FlushAll(r.t.Context()).Err(); err != nil {
					r.t.Fatal(err)
				}
			}
		}
		m := r.finished(id, enough)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if flushes == 0 || r.log.count("restored from storage") == 0 {
			r.t.Errorf("%d flushes and %d restores in the middle of the export, want some", flushes, r.log.count("restored from storage"))
		}
	})
}

// E8: of all storage calls 20 % fail, 5 % hang and 1 % have their effect and say they failed.
func TestE8_StorageUnderFire(t *testing.T) {
	edit := func(o *fanout.Options) { o.PartSize, o.StoreWait, o.Poll = 4<<10, 5*time.Second, 2*time.Second }
	inWorld(t, fhirserver.Options{Patients: 4, Extras: true}, edit, func(r *rig) {
		random := rand.New(rand.NewPCG(8, 8))
		var mu sync.Mutex
		var served [3]int
		broken := &fault{kindOf: func() faultKind {
			mu.Lock()
			defer mu.Unlock()
			switch n := random.IntN(100); {
			case n < 20:
				served[0]++
				return notDone
			case n < 25:
				served[1]++
				return hangs
			case n < 26:
				served[2]++
				return doneButFailed
			}
			return ""
		}}
		broken.armed.Store(true)
		r.wrap = func(s storage.Store) storage.Store { return faultyStore{s, broken} }
		id := r.kickOff(bulkdata.Patient, "")
		defer r.engine(nil)()
		m := r.finished(id, 10*time.Minute)
		broken.armed.Store(false)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		mu.Lock()
		defer mu.Unlock()
		for n, times := range served {
			if times == 0 {
				r.t.Errorf("fault %d was never served", n)
			}
		}
	})
}

// E10, R11: the disk is full for ten minutes: the job waits and says why, and goes on by itself.
func TestE10_DiskFull(t *testing.T) {
	inWorld(t, fhirserver.Options{Delay: 200 * time.Millisecond}, func(o *fanout.Options) { o.PartSize = 1 }, func(r *rig) {
		var full atomic.Bool
		noSpace := errors.New("no space left on device")
		r.store.Hook = func(op, key string) error {
			if full.Load() && op == "write" && strings.HasPrefix(key, export.Root) {
				return noSpace
			}
			return nil
		}
		id := r.kickOff(bulkdata.Patient, "")
		defer r.engine(nil)()
		time.Sleep(5 * time.Second)
		full.Store(true)
		time.Sleep(10 * time.Minute)
		j, err := r.jobs.Get(r.t.Context(), id)
		if err != nil || j.State != jobs.Running || !strings.Contains(j.Reason, "storage") {
			r.t.Errorf("while the disk is full: state %s, reason %q, %v; want running and a reason that names the storage", j.State, j.Reason, err)
		}
		full.Store(false)
		m := r.finished(id, enough)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
	})
}

// E29: all replicas come to the end at once: one manifest, the same for all.
func TestE29_ManyFinishers(t *testing.T) {
	inWorld(t, fhirserver.Options{Patients: 2}, func(o *fanout.Options) { o.Reconcile = time.Second }, func(r *rig) {
		r.types = []string{"Patient", "Condition"}
		for range 4 {
			defer r.engine(nil)()
		}
		for range 20 {
			id := r.kickOff(bulkdata.Patient, "")
			// Redis forgets the job whenever it comes to its end: everybody finishes it anew.
			for n := 0; n < 5; n++ {
				time.Sleep(300 * time.Millisecond)
				if err := r.redis.FlushAll(r.t.Context()).Err(); err != nil {
					r.t.Fatal(err)
				}
			}
			first := r.finished(id, enough)
			time.Sleep(5 * time.Second)
			again := r.finished(id, enough)
			if first.Attempt != again.Attempt {
				r.t.Errorf("the manifest changed from attempt %s to %s", first.Attempt, again.Attempt)
			}
			if left := r.orphans(id, again); len(left) > 0 {
				r.t.Errorf("%d objects that nothing names, such as %s", len(left), left[0])
			}
			r.exact(again, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		}
	})
}

// A long chunk is split for idle workers, by types when it holds one patient; nothing is asked for twice.
func TestSplit(t *testing.T) {
	inWorld(t, fhirserver.Options{Patients: 1, Extras: true, Delay: 2 * time.Second}, func(o *fanout.Options) { o.Workers, o.PartSize, o.SplitAfter = 4, 1, 10*time.Second }, func(r *rig) {
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), time.Hour)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if r.log.count("chunk split for idle workers") < 2 {
			r.t.Errorf("%d splits, want some", r.log.count("chunk split for idle workers"))
		}
		if r.log.count("Redis and storage disagree") > 0 {
			r.t.Error("the pieces were found by comparing Redis with storage only")
		}
		for key, n := range r.fake.Counts().Searches {
			if n > 1 && key.Patient != "" {
				r.t.Errorf("%s was searched for %d times", key, n)
			}
		}
	})
}

// A split survives the loss of Redis right after it: its pieces are found in the commit records.
func TestSplitThenFlush(t *testing.T) {
	inWorld(t, fhirserver.Options{Patients: 1, Extras: true, Delay: 2 * time.Second}, func(o *fanout.Options) { o.Workers = 4 }, func(r *rig) {
		defer r.engine(nil)()
		id := r.kickOff(bulkdata.Patient, "")
		for flushed := 0; flushed < 3; {
			time.Sleep(500 * time.Millisecond)
			if r.log.count("chunk split for idle workers") > flushed {
				flushed++
				if err := r.redis.FlushAll(r.t.Context()).Err(); err != nil {
					r.t.Fatal(err)
				}
			}
			if _, err := export.ReadManifest(r.t.Context(), r.store, id); err == nil {
				break
			}
		}
		m := r.finished(id, time.Hour)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if r.log.count("Redis and storage disagree") > 0 {
			r.t.Error("what was restored lacked the pieces")
		}
	})
}

// A chunk is closed and a piece split off it is not: whoever makes the state anew from storage finds the piece.
func TestRestoreFindsOpenChildren(t *testing.T) {
	inWorld(t, fhirserver.Options{}, nil, func(r *rig) {
		id := r.kickOff(bulkdata.Patient, "")
		stop := r.engine(&planOnly{Source: r.up, store: r.store, id: id})
		for r.log.count("planned") == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		chunk := export.PlanChunk(0)
		record := &export.Commit{
			Format: export.Format, Attempt: "by-hand", Chunk: chunk, Until: &export.Position{}, Children: []export.Child{{ID: chunk.Child(0, 0)}},
		}
		if err := export.WriteOnce(r.t.Context(), r.store, export.CommitKey(id, chunk, 0), record); err != nil {
			r.t.Fatal(err)
		}
		if err := r.redis.FlushAll(r.t.Context()).Err(); err != nil {
			r.t.Fatal(err)
		}
		defer r.engine(nil)()
		r.exact(r.finished(id, enough), r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
	})
}

// planOnly is an upstream that answers nothing any more once the plan is written.
type planOnly struct {
	fanout.Source
	store storage.Store
	id    string
}

func (p *planOnly) Page(ctx context.Context, q fhir.Query, next string, sink fhir.PageSink) (fhir.Page, error) {
	if _, err := p.store.Stat(ctx, export.PlanKey(p.id, 0)); err == nil {
		<-ctx.Done()
		return fhir.Page{}, ctx.Err()
	}
	return p.Source.Page(ctx, q, next, sink)
}

// Redis says that chunks are done which nobody has read: storage knows better.
func TestRedisBelievesTooMuch(t *testing.T) {
	inWorld(t, fhirserver.Options{Delay: 100 * time.Millisecond}, nil, func(r *rig) {
		id := r.kickOff(bulkdata.Patient, "")
		stop := r.engine(nil)
		for r.log.count("planned") == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		lies := 0
		for {
			l, err := r.jobs.Claim(r.t.Context(), "liar")
			if err != nil {
				r.t.Fatal(err)
			}
			if l == nil || !strings.HasPrefix(l.Item, "c") {
				break
			}
			if err := r.jobs.Complete(r.t.Context(), *l); err != nil {
				r.t.Fatal(err)
			}
			lies++
		}
		if lies == 0 {
			r.t.Fatal("no chunk was left to lie about")
		}
		defer r.engine(nil)()
		r.exact(r.finished(id, enough), r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if r.log.count("Redis and storage disagree") == 0 {
			r.t.Error("nobody noticed")
		}
	})
}

// E27: a panic that no page is to blame for, here in writing rows of one type: after three without progress the chain at hand is given up,
// named in the error files, and everything else is there.
func TestE27_PanicOutsideAPage(t *testing.T) {
	inWorld(t, fhirserver.Options{}, func(o *fanout.Options) { o.ChunkPatients, o.Workers = 2, 1 }, func(r *rig) {
		r.wrap = func(s storage.Store) storage.Store { return panickyStore{s} }
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), time.Hour)
		if r.log.count("panic: string") == 0 || r.log.count("a name of somebody") > 0 {
			r.t.Error("the log must tell of the panic, and not what it said")
		}
		culprits := map[string]bool{}
		for _, issue := range r.issues(m) {
			_, patient, ok := strings.Cut(issue, "Condition of Patient/")
			if !ok {
				r.t.Errorf("error line %q, want only those of Condition", issue)
			}
			patient, _, _ = strings.Cut(patient, ":")
			culprits[patient] = true
		}
		if len(culprits) != 2 {
			r.t.Errorf("%d patients named, want the 2 of the chunk", len(culprits))
		}
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), func(typ string, line []byte) bool {
			for id := range culprits {
				if typ == "Condition" && strings.Contains(string(line), `"Patient/`+id+`"`) {
					return true
				}
			}
			return false
		}))
	})
}

type panickyStore struct{ storage.Store }

func (s panickyStore) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	if strings.Contains(key, "/output/Condition/00000001.") {
		panic("a name of somebody")
	}
	return s.Store.Create(ctx, key, o)
}

// The operator stops all exports: within two seconds nobody asks the upstream any more, what was read is kept, and all goes on when he
// lets it, without asking again for what is committed.
func TestStopAllExports(t *testing.T) {
	inWorld(t, fhirserver.Options{Extras: true, Delay: 300 * time.Millisecond}, nil, func(r *rig) {
		defer r.engine(nil)()
		defer r.engine(nil)()
		id := r.kickOff(bulkdata.Patient, "")
		time.Sleep(5 * time.Second)
		if err := storage.Put(r.t.Context(), r.store, export.StopKey, []byte("{}"), storage.CreateOptions{}); err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		asked := r.fake.Counts()
		time.Sleep(time.Hour)
		if n := r.fake.Counts().Requests; n != asked.Requests || asked.InFlight != 0 {
			r.t.Errorf("%d requests while everything is stopped, %d in flight", n-asked.Requests, asked.InFlight)
		}
		j, err := r.jobs.Get(r.t.Context(), id)
		if err != nil || j.State != jobs.Running || !strings.Contains(j.Reason, "operator") {
			r.t.Errorf("state %s, reason %q, %v; want running, stopped by the operator", j.State, j.Reason, err)
		}
		if err := r.store.Delete(r.t.Context(), export.StopKey); err != nil {
			r.t.Fatal(err)
		}
		r.exact(r.finished(id, enough), r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		again := 0
		for key, n := range r.fake.Counts().Searches {
			if n > 1 && key.Patient != "" {
				again++
			}
		}
		if again > 8 { // what was cut off in the middle of a page, at most one a worker
			r.t.Errorf("%d searches were made again", again)
		}
	})
}

// E11: a cancelled export stops asking, and nothing is left under its prefix, also by a late writer.
func TestE11_Cancel(t *testing.T) {
	inWorld(t, fhirserver.Options{Delay: 5 * time.Second}, nil, func(r *rig) {
		var engine *fanout.Engine
		r.started = func(e *fanout.Engine) { engine = e }
		defer r.engine(nil)()
		id := r.kickOff(bulkdata.Patient, "")
		time.Sleep(30 * time.Second)
		before := r.fake.Counts()
		if before.InFlight == 0 {
			r.t.Fatal("nothing is being asked")
		}
		tombstone := storage.Put(r.t.Context(), r.store, export.TombstoneKey(id), []byte("{}"), storage.CreateOptions{})
		if err := errors.Join(tombstone, r.jobs.Cancel(r.t.Context(), id)); err != nil {
			r.t.Fatal(err)
		}
		engine.Cancelled(id)
		time.Sleep(2 * time.Second)
		asked := r.fake.Counts().Requests
		late := export.PartKey(id, "Patient", export.PlanChunk(0), 9, "zombie", 1)
		if err := storage.Put(context.Background(), r.store, late, []byte("x"), storage.CreateOptions{}); err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		if n := r.fake.Counts().Requests; n != asked {
			r.t.Errorf("%d requests later than 2 s after the cancel", n-asked)
		}
		for info, err := range r.store.List(r.t.Context(), export.Prefix(id)) {
			if err != nil {
				r.t.Fatal(err)
			}
			r.t.Errorf("%s is left", info.Key)
		}
	})
}

// Redis is set back to before a split while the worker goes on under the same fence: it knows nothing of the child, and must not lead
// anybody to plan a wave or the end without it.
func TestSplitThenSetBack(t *testing.T) {
	w := newSimWorld(t)
	slow := fhirserver.Faults(func(*fhirserver.Request) *fhirserver.Fault { return &fhirserver.Fault{Delay: 2 * time.Second} })
	w.trouble.Store(&slow)
	synctest.Test(t, func(t *testing.T) {
		s := w.begin(t, 1)
		defer s.end()
		s.change = func(o *fanout.Options) { o.Workers, o.ChunkPatients, o.Reconcile = 4, 100, 5*time.Second }
		n := s.newNode()
		defer n.stop()
		id := s.kickOff(n, bulkdata.Patient)
		for splits := range 3 {
			var setBack func() // to before the next split
			for s.log.count("chunk split for idle workers") <= splits {
				setBack = s.snapshot()
				time.Sleep(100 * time.Millisecond)
			}
			if setBack != nil {
				setBack()
			}
		}
		m := s.finished(id, time.Hour)
		if d := difference(s.rows(m), s.simWorld.want[bulkdata.Patient]); d != "" {
			t.Error(d)
		}
	})
}
