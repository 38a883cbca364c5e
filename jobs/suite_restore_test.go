package jobs

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func testRestore(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.planned("a", 20)
	before := b.claim()
	b.flush()
	if lost, _, err := b.Heartbeat(ctx, "w1", []Lease{before}); err != nil || len(lost) != 1 {
		t.Errorf("lost %v, %v, want the lease from before", lost, err)
	}
	created := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	snap := Snapshot{
		ID: id, Client: "a", Created: created, Total: 20, Done: []int64{0, 1, 2, 9, 9, 17}, Next: "wave1",
		Counters: Counters{Patients: 500, Rows: 7, Bytes: 8, Errors: 9, Requests: 10}, Types: map[string]int64{"Patient": 7},
	}
	if ok, err := b.Restore(ctx, snap); err != nil || !ok {
		t.Fatalf("restored %v, %v, want true", ok, err)
	}
	if ok, err := b.Restore(ctx, snap); err != nil || ok {
		t.Errorf("restored again: %v, %v, want false", ok, err)
	}
	want := Job{
		ID: id, Client: "a", State: Running, Created: created, Total: 20, Done: 5, Counters: snap.Counters, Types: snap.Types,
	}
	got := b.get(id)
	got.Updated = time.Time{}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if err := b.Complete(ctx, before); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("complete by the lease from before: %v, want ErrLeaseLost", err)
	}
	var items []string
	for range 15 {
		l := b.claim()
		if l.Token != 2 {
			t.Errorf("%s has token %d: the first claim after a loss must not look like the first ever", l.Item, l.Token)
		}
		zombie := l // with the same fence, from before the loss
		zombie.Epoch = before.Epoch
		if err := b.Complete(ctx, zombie); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s by a lease of another epoch: %v, want ErrLeaseLost", l.Item, err)
		}
		if err := b.Checkpoint(ctx, zombie, 0, Counters{}, nil); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("checkpoint of %s by a lease of another epoch: %v, want ErrLeaseLost", l.Item, err)
		}
		items = append(items, l.Item)
		b.noError(b.Complete(ctx, l))
	}
	if d := cmp.Diff(strings.Fields("c3 c4 c5 c6 c7 c8 c10 c11 c12 c13 c14 c15 c16 c18 c19"), items); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	wave := b.claim()
	if wave.Item != "wave1" {
		t.Errorf("claimed %s, want wave1", wave.Item)
	}

	for _, tc := range []struct {
		name  string
		snap  Snapshot
		state State
		first string
	}{
		{"not yet planned", Snapshot{Ready: []string{"plan"}}, Queued, "plan"},
		{"all chunks done", Snapshot{Total: 2, Done: []int64{1, 0}, Next: "finish"}, Running, "finish"},
		{"planned empty", Snapshot{Next: "finish"}, Running, "finish"},
		{"in a stage", Snapshot{Total: 1, Done: []int64{0}, Ready: []string{"wave2"}}, Running, "wave2"},
		{"chunks are ready anyway", Snapshot{Total: 1, Ready: []string{"c0"}, Next: "finish"}, Running, "c0"},
	} {
		b.flush()
		tc.snap.ID, tc.snap.Client, tc.snap.Created = NewID(), "b", time.Now()
		if ok, err := b.Restore(ctx, tc.snap); err != nil || !ok {
			t.Errorf("%s: restored %v, %v, want true", tc.name, ok, err)
		}
		if j := b.get(tc.snap.ID); j.State != tc.state {
			t.Errorf("%s: state %s, want %s", tc.name, j.State, tc.state)
		}
		if l := b.claim(); l.Item != tc.first {
			t.Errorf("%s: claimed %s, want %s", tc.name, l.Item, tc.first)
		}
		b.nothing()
	}
}

func testRestoreRace(t *testing.T, b *bench) {
	snap := Snapshot{ID: NewID(), Client: "a", Created: time.Now(), Total: 3, Next: "finish"}
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ok, err := b.Restore(t.Context(), snap)
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 restored, want 1", won.Load())
	}
	for range 3 {
		b.noError(b.Complete(t.Context(), b.claim()))
	}
	b.claim()
	b.nothing()
}

func testRestoreRepairs(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.planned("a", 3)
	loseSchedule := func() {
		for _, k := range b.keys() {
			if strings.Contains(k, "{u}") {
				b.noError(b.redis.Del(ctx, k).Err())
			}
		}
		b.nothing()
	}
	loseSchedule()
	snap := Snapshot{ID: id, Client: "a", Created: time.Now(), Total: 3, Next: "finish"}
	if ok, err := b.Restore(ctx, snap); err != nil || ok {
		t.Errorf("restored %v, %v, want false: the job is there", ok, err)
	}
	if l := b.claim(); l.Job != id || l.Token != 1 {
		t.Errorf("claimed %+v, want the job as it was", l)
	}
	loseSchedule()
	b.noError(b.Ensure(ctx, id))
	if l := b.claim(); l.Job != id {
		t.Errorf("claimed from %s, want the job", l.Job)
	}
	for _, part := range []string{"order", "run", "clients", "jobs"} { // one key alone
		b.noError(b.redis.Del(ctx, b.o.Prefix+"{u}:"+part).Err())
		b.noError(b.Ensure(ctx, id))
		if l := b.claim(); l.Job != id {
			t.Errorf("without %s claimed from %s, want the job", part, l.Job)
		}
		b.expire(Lease{Job: id, Item: "c0"})
	}
	if err := b.Ensure(ctx, NewID()); !errors.Is(err, ErrUnknown) {
		t.Errorf("ensured a job that is not there: %v, want ErrUnknown", err)
	}
	b.noError(b.Cancel(ctx, id))
	if ok, err := b.Restore(ctx, snap); err != nil || ok {
		t.Errorf("restored %v, %v, want false: it was cancelled", ok, err)
	}
	b.noError(b.Ensure(ctx, id))
	b.nothing()
	pending := NewID()
	b.noError(b.Admit(ctx, pending, "a"))
	if ok, err := b.Restore(ctx, Snapshot{ID: pending, Client: "a", Ready: []string{"plan"}}); err != nil || ok {
		t.Errorf("restored %v, %v, want false: it is pending", ok, err)
	}
	b.nothing()
	if _, err := b.Restore(ctx, Snapshot{ID: pending, Client: "b", Ready: []string{"plan"}}); err == nil {
		t.Error("restored the job of another client")
	}
}

func testBadSnapshot(t *testing.T, b *bench) {
	for name, snap := range map[string]Snapshot{
		"no id":             {Client: "a"},
		"no client":         {ID: "1"},
		"done beyond total": {ID: "1", Client: "a", Total: 3, Done: []int64{3}},
		"negative chunk":    {ID: "1", Client: "a", Total: 3, Done: []int64{-1}},
		"two stages":        {ID: "1", Client: "a", Ready: []string{"plan", "finish"}},
	} {
		if ok, err := b.Restore(t.Context(), snap); err == nil || ok {
			t.Errorf("%s: restored %v, %v, want an error", name, ok, err)
		}
	}
	if keys := b.keys(); len(keys) != 0 {
		t.Errorf("left %v behind", keys)
	}
}

// A lease or a ready item that Redis has lost must not leave its chunk in nobody's hands.
func testMend(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.planned("a", 3)
	b.noError(b.Complete(ctx, b.claim()))
	held := b.claim()
	b.noError(b.Release(ctx, b.claim(), hour, "", false))
	b.noError(b.redis.Del(ctx, b.key(id, "l"), b.key(id, "q")).Err())
	b.look()
	if err := b.Complete(ctx, held); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("complete without a lease: %v, want ErrLeaseLost", err)
	}
	for _, want := range []string{"c1", "c2", "finish"} {
		l := b.claim()
		if l.Item != want {
			t.Fatalf("claimed %s, want %s", l.Item, want)
		}
		if want == "finish" {
			b.noError(b.redis.Del(ctx, b.key(id, "l")).Err())
			b.look()
			l = b.claim()
			b.noError(b.Finish(ctx, l, Complete))
		} else {
			b.noError(b.Complete(ctx, l))
		}
	}
	b.nothing()
}

// Whoever was to take a job out of the schedule may have died before.
func testGone(t *testing.T, b *bench) {
	ctx := t.Context()
	lost, ended, next := b.planned("a", 1), b.kickOff("a"), b.kickOff("a")
	for _, suffix := range []string{"s", "q", "l", "i", "d", "c"} {
		b.noError(b.redis.Del(ctx, b.key(lost, suffix)).Err())
	}
	_, _, err := b.job(ctx, "cancel", ended, "a", 1000, "cancelled")
	b.noError(err)
	if l := b.claim(); l.Job != next {
		t.Errorf("claimed from %s, want the next job", l.Job)
	}
	js, err := b.List(ctx)
	b.noError(err)
	if len(js) != 2 || js[0].ID != next || js[1].ID != ended {
		t.Errorf("listed %v, want the next and the ended one", js)
	}
}

// Every key has a time to live or belongs to a job that somebody will end.
func testLeftBehind(t *testing.T, b *bench) {
	ctx := t.Context()
	end := map[string]func(Lease) error{
		"finish": func(l Lease) error { return b.Finish(ctx, l, Complete) },
		"cancel": func(l Lease) error { return b.Cancel(ctx, l.Job) },
		"forget": func(l Lease) error { return b.Forget(ctx, l.Job) },
	}
	for name, f := range end {
		b.planned("a", 2)
		l := b.claim()
		b.noError(b.Checkpoint(ctx, l, 0, Counters{Requests: 3}, map[string]int64{"Patient": 1}))
		b.noError(b.Complete(ctx, l))
		b.noError(f(b.claim()))
		for _, k := range b.keys() {
			if ttl := b.redis.PTTL(ctx, k).Val(); ttl <= 0 || ttl > keptFor {
				t.Errorf("%s: key %s lives for %v", name, strings.TrimPrefix(k, b.o.Prefix), ttl)
			}
			if name == "forget" && strings.Contains(k, l.Job) {
				t.Errorf("forget left %s", strings.TrimPrefix(k, b.o.Prefix))
			}
		}
	}
}
