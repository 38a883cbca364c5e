package jobs

import "testing"

// testTrouble: panics and deaths count only while an item makes no progress, and a death only while the rest of the job does: random
// kills must never look like poison (E27).
func testTrouble(t *testing.T, b *bench) {
	ctx := t.Context()
	b.planned("a", 2)
	poison := b.claim()
	die := func() {
		t.Helper()
		b.expire(poison)
		poison = b.claim()
		if poison.Item != "c0" {
			t.Fatalf("claimed %s, want the item of the dead worker", poison.Item)
		}
	}
	die()
	if poison.Deaths != 0 {
		t.Errorf("%d deaths, want 0: nothing else went on", poison.Deaths)
	}
	other := b.claim()
	for seq := range int64(3) {
		b.noError(b.Checkpoint(ctx, other, seq, Counters{}, nil))
		b.noError(b.Checkpoint(ctx, other, seq, Counters{}, nil)) // said twice, counts once
		die()
		if poison.Deaths != seq+1 {
			t.Errorf("%d deaths, want %d", poison.Deaths, seq+1)
		}
	}
	b.noError(b.Release(ctx, poison, 0, "broken", true))
	poison = b.claim()
	if poison.Deaths != 3 || poison.Panics != 1 {
		t.Errorf("%d deaths and %d panics, want 3 and 1", poison.Deaths, poison.Panics)
	}
	b.noError(b.Checkpoint(ctx, poison, 0, Counters{}, nil))
	die()
	if poison.Deaths != 0 || poison.Panics != 0 {
		t.Errorf("%d deaths and %d panics after progress, want none: only its own checkpoint came between", poison.Deaths, poison.Panics)
	}
}
