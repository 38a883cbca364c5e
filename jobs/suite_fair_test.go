package jobs

import (
	"testing"
)

// work claims n times and does what it claims; each chunk makes as many requests as its client's chunks make.
func work(t *testing.T, b *bench, n int, requests map[string]int64) (claims map[string]int) {
	t.Helper()
	claims = map[string]int{}
	for range n {
		l := b.claim()
		claims[l.Client]++
		b.noError(b.Checkpoint(t.Context(), l, 0, Counters{Requests: requests[l.Client]}, nil))
		b.noError(b.Complete(t.Context(), l))
	}
	return claims
}

func testShares(t *testing.T, b *bench) {
	for range 10 {
		b.planned("many", 50)
	}
	b.planned("one", 50)
	got := work(t, b, 60, map[string]int64{"many": 7, "one": 7})
	if got["one"] < 26 || got["many"] < 26 {
		t.Errorf("claims %v of 60, want about half each", got)
	}
}

func testSharesByRequests(t *testing.T, b *bench) {
	b.planned("heavy", 200)
	b.planned("light", 200)
	got := work(t, b, 110, map[string]int64{"heavy": 30, "light": 3})
	if got["light"] < 7*got["heavy"] || got["light"] > 13*got["heavy"] {
		t.Errorf("claims %v: chunks that make ten times the requests should come about a tenth as often", got)
	}
}

func testSmallJob(t *testing.T, b *bench) {
	b.planned("huge", 10_000)
	for range 200 {
		b.noError(b.Complete(t.Context(), b.claim()))
	}
	for range 8 { // all workers are busy with it
		b.claim()
	}
	small := b.kickOff("small")
	steps := []string{"plan", "c0", "finish"}
	for n := range 12 {
		l := b.claim()
		if l.Job != small {
			b.noError(b.Complete(t.Context(), l))
			continue
		}
		if l.Item != steps[0] {
			t.Fatalf("claimed %s, want %s", l.Item, steps[0])
		}
		switch steps = steps[1:]; l.Item {
		case "plan":
			b.noError(b.Advance(t.Context(), l, 1, "finish"))
		case "c0":
			b.noError(b.Complete(t.Context(), l))
		case "finish":
			b.noError(b.Finish(t.Context(), l, Complete))
			t.Logf("finished at claim %d", n+1)
			return
		}
	}
	t.Errorf("%v left after 12 claims", steps)
}

func testRunning(t *testing.T, b *bench) {
	var ids []string
	for range 5 {
		ids = append(ids, b.kickOff("a"))
	}
	seen := map[string]Lease{}
	for range 2 {
		l := b.claim()
		seen[l.Job] = l
	}
	b.nothing()
	if len(seen) != 2 || seen[ids[0]].Job == "" || seen[ids[1]].Job == "" {
		t.Errorf("claimed from %v, want the two oldest", seen)
	}
	b.noError(b.Release(t.Context(), seen[ids[0]], hour, "waits", false))
	b.nothing() // a job that waits is running all the same
	b.noError(b.Finish(t.Context(), seen[ids[1]], Failed))
	if l := b.claim(); l.Job != ids[2] {
		t.Errorf("claimed from %s, want the third", l.Job)
	}
	b.nothing()
}

// More jobs without work than one list has room for must not hide the one that has some.
func testIdleInFront(t *testing.T, b *bench) {
	for _, client := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"} {
		b.planned(client, 1)
		b.claim()
	}
	last := b.planned("z", 3)
	for range 3 {
		if l := b.claim(); l.Job != last {
			t.Errorf("claimed from %s, want the one with work", l.Job)
		}
	}
	b.nothing()
}

// A client whose jobs had nothing to do for long must not have all the workers afterwards.
func testNoSaving(t *testing.T, b *bench) {
	waits := b.planned("waits", 100)
	held := b.claim()
	b.noError(b.redis.HSet(t.Context(), b.o.Prefix+"{u}:idle", waits, 1<<52).Err())
	b.planned("busy", 300)
	work(t, b, 100, nil)
	b.noError(b.Complete(t.Context(), held)) // wakes it
	got := work(t, b, 20, nil)
	if got["busy"] < 8 || got["waits"] < 8 {
		t.Errorf("claims %v of 20, want about half each", got)
	}
}
