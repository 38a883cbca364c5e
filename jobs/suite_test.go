package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"
)

// TestSuite holds every Redis to the same behaviour.
func TestSuite(t *testing.T) {
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) { suite(t, open) })
	}
}

func suite(t *testing.T, open func(testing.TB) redis.UniversalClient) {
	client := open(t)
	for _, tc := range []struct {
		name string
		run  func(*testing.T, *bench)
		o    Options
	}{
		{"a job from kick-off to end", testLife, Options{}},
		{"limits per client", testLimits, Options{MaxRunning: 1, MaxQueued: 2}},
		{"a lapsed reservation", testLapsed, Options{MaxRunning: 1, MaxQueued: 1}},
		{"a dropped kick-off", testDrop, Options{MaxRunning: 1, MaxQueued: 1}},
		{"an empty plan", testEmptyPlan, Options{}},
		{"waves", testWaves, Options{}},
		{"a lease that runs out", testTakeOver, Options{}},
		{"a heartbeat", testHeartbeat, Options{}},
		{"checkpoints count once", testCheckpoint, Options{}},
		{"everything said twice", testTwice, Options{}},
		{"release", testRelease, Options{}},
		{"panics and deaths", testTrouble, Options{}},
		{"pieces split off", testSplit, Options{}},
		{"cancel", testCancel, Options{MaxRunning: 1, MaxQueued: 1}},
		{"failing from any piece of work", testFail, Options{}},
		{"unknown jobs", testUnknown, Options{}},
		{"restore after a loss", testRestore, Options{}},
		{"one of many restores", testRestoreRace, Options{}},
		{"restore repairs the schedule", testRestoreRepairs, Options{}},
		{"a bad snapshot", testBadSnapshot, Options{}},
		{"lost keys of a running job", testMend, Options{}},
		{"a job lost under the schedule", testGone, Options{MaxRunning: 1}},
		{"what is left behind", testLeftBehind, Options{}},
		{"assertion ids", testJTI, Options{}},
		{"racing workers", testRace, Options{MaxRunning: 3}},
		{"a cancelled context", testContext, Options{}},
		{"shares of clients", testShares, Options{MaxRunning: 10}},
		{"shares by requests", testSharesByRequests, Options{}},
		{"a small job behind a huge one", testSmallJob, Options{}},
		{"jobs of one client at once", testRunning, Options{MaxRunning: 2}},
		{"idle jobs in front", testIdleInFront, Options{}},
		{"an unused turn is not saved up", testNoSaving, Options{}},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, newBench(t, client, tc.o)) })
	}
}

func testLife(t *testing.T, b *bench) {
	ctx := t.Context()
	id := NewID()
	step := func(name string, want Job) {
		t.Helper()
		got := b.get(id)
		if got.Created.IsZero() || got.Updated.Before(got.Created) {
			t.Errorf("%s: created %v, updated %v", name, got.Created, got.Updated)
		}
		want.ID, want.Client = id, "c"
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Job{}, "Created", "Updated"), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
	b.noError(b.Admit(ctx, id, "c"))
	step("admitted", Job{State: Pending})
	b.nothing()
	b.noError(b.Queue(ctx, id))
	step("queued", Job{State: Queued})
	plan := b.claim()
	want := Lease{Job: id, Client: "c", Item: "plan", Token: 1, Epoch: plan.Epoch, Owner: "w1"}
	if d := cmp.Diff(want, plan); d != "" || plan.Epoch == "" {
		t.Errorf("first lease: -want +got\n%s", d)
	}
	step("claimed", Job{State: Running, Leased: 1})
	b.nothing()
	b.noError(b.Advance(ctx, plan, 2, "finish"))
	step("planned", Job{State: Running, Total: 2})
	c0, c1 := b.claim(), b.claim()
	if c0.Item != "c0" || c1.Item != "c1" {
		t.Errorf("claimed %s and %s, want c0 and c1", c0.Item, c1.Item)
	}
	b.nothing()
	b.noError(b.Checkpoint(ctx, c0, 0, Counters{Patients: 1, Rows: 2, Bytes: 3, Errors: 4, Requests: 5}, map[string]int64{"Patient": 2}))
	b.noError(b.Complete(ctx, c0))
	sums := Counters{Patients: 1, Rows: 2, Bytes: 3, Errors: 4, Requests: 5}
	types := map[string]int64{"Patient": 2}
	step("one done", Job{State: Running, Total: 2, Done: 1, Leased: 1, Counters: sums, Types: types})
	b.nothing()
	b.noError(b.Complete(ctx, c1))
	finish := b.claim()
	if finish.Item != "finish" {
		t.Errorf("claimed %s, want finish", finish.Item)
	}
	b.noError(b.Finish(ctx, finish, Complete))
	step("finished", Job{State: Complete, Total: 2, Done: 2, Counters: sums, Types: types})
	b.nothing()
	js, err := b.List(ctx)
	b.noError(err)
	if len(js) != 1 || js[0].ID != id {
		t.Errorf("listed %v, want the finished job", js)
	}
}

func testLimits(t *testing.T, b *bench) {
	ctx := t.Context()
	first := b.kickOff("a")
	b.kickOff("a")
	pending := NewID()
	b.noError(b.Admit(ctx, pending, "a"))
	b.noError(b.Admit(ctx, pending, "a")) // the answer of the first was lost
	var limit *LimitError
	before := len(b.keys())
	if err := b.Admit(ctx, NewID(), "a"); !errors.As(err, &limit) || limit.RetryAfter < time.Second {
		t.Errorf("fourth job: %v, want a limit with a wait", err)
	}
	if n := len(b.keys()); n != before {
		t.Errorf("a refused kick-off left %d keys behind", n-before)
	}
	if err := b.Admit(ctx, pending, "b"); err == nil {
		t.Error("the id of another client was admitted")
	}
	b.kickOff("b")
	b.noError(b.Cancel(ctx, first))
	b.noError(b.Admit(ctx, NewID(), "a"))
}

func testLapsed(t *testing.T, b *bench) {
	ctx := t.Context()
	id := NewID()
	b.kickOff("a")
	b.noError(b.Admit(ctx, id, "a"))
	if ttl := b.redis.PTTL(ctx, b.key(id, "s")).Val(); ttl <= 0 || ttl > pendingFor {
		t.Errorf("a pending record lives for %v, want at most %v", ttl, pendingFor)
	}
	b.noError(b.redis.Del(ctx, b.key(id, "s")).Err())
	b.noError(b.redis.ZAdd(ctx, b.o.Prefix+"{u}:pending", redis.Z{Score: 1, Member: id}).Err())
	if _, err := b.Get(ctx, id); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	b.noError(b.Admit(ctx, NewID(), "a"))
	if err := b.Queue(ctx, id); !errors.Is(err, ErrUnknown) {
		t.Errorf("queued after it lapsed: %v, want ErrUnknown", err)
	}
}

func testDrop(t *testing.T, b *bench) {
	ctx := t.Context()
	for range 5 {
		id := NewID()
		b.noError(b.Admit(ctx, id, "a"))
		b.noError(b.Drop(ctx, id))
		b.noError(b.Drop(ctx, id))
		queued := b.kickOff("a")
		b.noError(b.Drop(ctx, queued))
	}
	b.nothing()
	if js, err := b.List(ctx); err != nil || len(js) != 0 {
		t.Errorf("listed %v, %v, want nothing", js, err)
	}
}

func testEmptyPlan(t *testing.T, b *bench) {
	b.planned("a", 0)
	if l := b.claim(); l.Item != "finish" {
		t.Errorf("claimed %s, want finish", l.Item)
	}
	b.nothing()
}

func testWaves(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.kickOff("a")
	var items []string
	for {
		l := b.claim()
		items = append(items, l.Item)
		switch l.Item {
		case "plan":
			b.noError(b.Advance(ctx, l, 2, "wave1"))
		case "wave1":
			b.noError(b.Advance(ctx, l, 1, "wave2"))
		case "wave2":
			b.noError(b.Advance(ctx, l, 0, "finish"))
		case "finish":
			b.noError(b.Finish(ctx, l, Complete))
			want := []string{"plan", "c0", "c1", "wave1", "c2", "wave2", "finish"}
			if d := cmp.Diff(want, items); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if j := b.get(id); j.Total != 3 || j.Done != 3 {
				t.Errorf("%d of %d chunks, want 3 of 3", j.Done, j.Total)
			}
			return
		default:
			b.noError(b.Complete(ctx, l))
		}
	}
}

func testTakeOver(t *testing.T, b *bench) {
	ctx := t.Context()
	b.planned("a", 1)
	old := b.claim()
	b.expire(old)
	taken := b.claim()
	if taken.Item != old.Item || taken.Token != old.Token+1 || taken.Epoch != old.Epoch {
		t.Errorf("took over %+v after %+v, want the same item and a higher token", taken, old)
	}
	for name, err := range map[string]error{
		"checkpoint": b.Checkpoint(ctx, old, 0, Counters{Rows: 1}, nil),
		"complete":   b.Complete(ctx, old),
		"release":    b.Release(ctx, old, 0, "", false),
		"finish":     b.Finish(ctx, old, Failed),
	} {
		if !errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s of the stale lease: %v, want ErrLeaseLost", name, err)
		}
	}
	b.noError(b.Complete(ctx, taken))
	b.noError(b.Complete(ctx, old)) // it is done, whoever says so
	if err := b.Checkpoint(ctx, taken, 1, Counters{}, nil); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("checkpoint of a done chunk: %v, want ErrLeaseLost", err)
	}
}

func testHeartbeat(t *testing.T, b *bench) {
	ctx := t.Context()
	b.planned("a", 3)
	b.planned("b", 1)
	var ls []Lease
	for range 4 {
		ls = append(ls, b.claim())
	}
	for n := range ls[1:] {
		b.expire(ls[n])
	}
	b.expire(ls[3])
	lost, _, err := b.Heartbeat(ctx, "w1", ls[:3]) // late, but nobody has taken them
	if err != nil || len(lost) != 0 {
		t.Fatalf("lost %v, %v, want none", lost, err)
	}
	taken := b.claim()
	lost, _, err = b.Heartbeat(ctx, "w1", ls)
	if d := cmp.Diff([]Lease{ls[3]}, lost); d != "" || err != nil {
		t.Errorf("%v, lost: -want +got\n%s", err, d)
	}
	b.noError(b.Cancel(ctx, taken.Job))
	lost, _, err = b.Heartbeat(ctx, "w1", []Lease{taken})
	if len(lost) != 1 || err != nil {
		t.Errorf("lost %v, %v, want the one of the cancelled job", lost, err)
	}
	if _, _, err = b.Heartbeat(ctx, "w2", ls[:1]); err == nil {
		t.Error("a heartbeat for the lease of another worker went through")
	}
}

func testCheckpoint(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.planned("a", 2)
	l, other := b.claim(), b.claim()
	one := Counters{Patients: 1, Rows: 10, Bytes: 100, Errors: 1, Requests: 2}
	rows := map[string]int64{"Patient": 4, "Observation": 6}
	for range 3 {
		b.noError(b.Checkpoint(ctx, l, 0, one, rows))
	}
	b.expire(l)
	l = b.claim() // the next worker says again what the last one may have said
	b.noError(b.Checkpoint(ctx, l, 0, one, rows))
	b.noError(b.Checkpoint(ctx, l, 1, one, map[string]int64{"Observation": 10}))
	b.noError(b.Checkpoint(ctx, other, 0, one, rows))
	got := b.get(id)
	if d := cmp.Diff(Counters{Patients: 3, Rows: 30, Bytes: 300, Errors: 3, Requests: 6}, got.Counters); d != "" {
		t.Errorf("counters: -want +got\n%s", d)
	}
	if d := cmp.Diff(map[string]int64{"Patient": 8, "Observation": 22}, got.Types); d != "" {
		t.Errorf("types: -want +got\n%s", d)
	}
}

func testRelease(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.planned("a", 1)
	l := b.claim()
	b.noError(b.Release(ctx, l, hour, "upstream is down", false))
	b.nothing()
	if j := b.get(id); j.Reason != "upstream is down" || j.Leased != 0 {
		t.Errorf("reason %q, %d leased, want the reason and none", j.Reason, j.Leased)
	}
	if err := b.Release(ctx, l, 0, "", false); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("released twice: %v, want ErrLeaseLost", err)
	}
	b.hurry(id)
	for n := range int64(3) {
		l = b.claim()
		if l.Panics != n {
			t.Errorf("%d panics, want %d", l.Panics, n)
		}
		b.noError(b.Release(ctx, l, 0, "broken", true))
	}
	l = b.claim()
	if l.Token != 5 {
		t.Errorf("token %d at the fifth claim", l.Token)
	}
	b.noError(b.Checkpoint(ctx, l, 0, Counters{}, nil))
	if j := b.get(id); j.Reason != "" {
		t.Errorf("reason %q after progress", j.Reason)
	}
}

func testCancel(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.planned("a", 5)
	l := b.claim()
	waiting := b.kickOff("a")
	b.noError(b.Cancel(ctx, id))
	b.noError(b.Cancel(ctx, id))
	if j := b.get(id); j.State != Cancelled || j.Leased != 0 {
		t.Errorf("%s with %d leases, want cancelled with none", j.State, j.Leased)
	}
	for name, err := range map[string]error{
		"checkpoint": b.Checkpoint(ctx, l, 0, Counters{}, nil),
		"complete":   b.Complete(ctx, l),
		"release":    b.Release(ctx, l, 0, "", false),
		"finish":     b.Finish(ctx, l, Complete),
	} {
		if !errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s after cancel: %v, want ErrLeaseLost", name, err)
		}
	}
	if l := b.claim(); l.Job != waiting {
		t.Errorf("claimed from %s, want the waiting job", l.Job)
	}
	b.kickOff("a") // the cancelled one counts no more
	pending := NewID()
	b.noError(b.Admit(ctx, pending, "b"))
	b.noError(b.Cancel(ctx, pending))
	if err := b.Queue(ctx, pending); !errors.Is(err, ErrUnknown) {
		t.Errorf("queued after cancel: %v, want ErrUnknown", err)
	}
}

func testFail(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.planned("a", 3)
	l, other := b.claim(), b.claim()
	b.noError(b.Finish(ctx, l, Failed))
	b.noError(b.Finish(ctx, l, Failed))
	if err := b.Finish(ctx, l, Complete); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("ended twice: %v, want ErrLeaseLost", err)
	}
	if err := b.Complete(ctx, other); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("another chunk: %v, want ErrLeaseLost", err)
	}
	b.noError(b.Cancel(ctx, id))
	if j := b.get(id); j.State != Failed {
		t.Errorf("state %s, want failed", j.State)
	}
	for name, err := range map[string]error{
		"an odd end":         b.Finish(ctx, other, Cancelled),
		"a stage as chunk":   b.Complete(ctx, Lease{Job: id, Client: "a", Item: "plan"}),
		"a chunk as stage":   b.Advance(ctx, other, 1, "finish"),
		"a stage to nowhere": b.Advance(ctx, Lease{Job: id, Client: "a", Item: "plan"}, 1, ""),
	} {
		if err == nil || errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s: %v, want a plain error", name, err)
		}
	}
}

func testUnknown(t *testing.T, b *bench) {
	ctx := t.Context()
	l := Lease{Job: NewID(), Client: "a", Item: "c0", Token: 1, Epoch: "1", Owner: "w1"}
	for _, id := range []string{NewID(), "", "a}:s", "{u}:jobs", "x y"} {
		if _, err := b.Get(ctx, id); !errors.Is(err, ErrUnknown) {
			t.Errorf("get %q: %v, want ErrUnknown", id, err)
		}
		if err := b.Queue(ctx, id); !errors.Is(err, ErrUnknown) {
			t.Errorf("queue %q: %v, want ErrUnknown", id, err)
		}
		if err := b.Cancel(ctx, id); !errors.Is(err, ErrUnknown) {
			t.Errorf("cancel %q: %v, want ErrUnknown", id, err)
		}
		b.noError(b.Forget(ctx, id))
	}
	if lost, _, err := b.Heartbeat(ctx, "w1", []Lease{l}); err != nil || len(lost) != 1 {
		t.Errorf("lost %v, %v, want the one", lost, err)
	}
	if err := b.Complete(ctx, l); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("complete: %v, want ErrLeaseLost", err)
	}
	if err := b.Admit(ctx, "", "a"); err == nil {
		t.Error("admitted a job without an id")
	}
}

func testRace(t *testing.T, b *bench) {
	ids := []string{b.planned("a", 40), b.planned("a", 20), b.planned("b", 30)}
	var mu sync.Mutex
	done := map[string]int{}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			owner := fmt.Sprint("w", w)
			for range 10_000 {
				l, err := b.Claim(context.Background(), owner)
				switch {
				case err != nil:
					t.Error(err)
					return
				case l == nil:
					mu.Lock()
					ended := done["finish"] == len(ids)
					mu.Unlock()
					if ended {
						return
					}
					continue
				case l.Item == "finish":
					err = b.Finish(context.Background(), *l, Complete)
				default:
					err = b.Complete(context.Background(), *l)
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				done[l.Job+l.Item]++
				if l.Item == "finish" {
					done["finish"]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for item, n := range done {
		if n != 1 && item != "finish" {
			t.Errorf("%s was done %d times", item, n)
		}
	}
	if len(done) != 40+20+30+3+1 {
		t.Errorf("%d items were done, want 93", len(done)-1)
	}
}

func testContext(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Claim(ctx, "w1"); !errors.Is(err, context.Canceled) {
		t.Errorf("claim: %v, want the context's error", err)
	}
	if err := b.Admit(ctx, NewID(), "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("admit: %v, want the context's error", err)
	}
}

func testJTI(t *testing.T, b *bench) {
	ctx := t.Context()
	for _, tc := range []struct {
		name, client, jti string
		exp               time.Time
		want              bool
	}{
		{"first use", "a", "1", time.Now().Add(5 * time.Minute), true},
		{"second use", "a", "1", time.Now().Add(5 * time.Minute), false},
		{"second use with another expiry", "a", "1", time.Now().Add(-time.Minute), false},
		{"another client", "b", "1", time.Now().Add(5 * time.Minute), true},
		{"another id", "a", "2", time.Now().Add(5 * time.Minute), true},
		{"client and id are kept apart", "a1", "", time.Now().Add(5 * time.Minute), true},
		{"just expired", "a", "3", time.Now().Add(-10 * time.Second), true},
		{"just expired, second use", "a", "3", time.Now().Add(-10 * time.Second), false},
	} {
		got, err := b.UseJTI(ctx, tc.client, tc.jti, tc.exp)
		if err != nil || got != tc.want {
			t.Errorf("%s: %v, %v, want %v", tc.name, got, err, tc.want)
		}
	}
	for _, k := range b.keys() {
		if ttl := b.redis.PTTL(ctx, k).Val(); ttl <= 0 || ttl > 5*time.Minute+jtiGrace {
			t.Errorf("an assertion id is kept for %v", ttl)
		}
	}
}
