package jobs

import (
	"errors"
	"testing"
	"time"
)

// testSplit: pieces split off a chunk are handed out once, hold the next stage up, and survive being announced again and a loss of Redis.
func testSplit(t *testing.T, b *bench) {
	ctx := t.Context()
	id := b.planned("a", 2)
	c0, c1 := b.claim(), b.claim()
	b.nothing()
	if lost, hungry, err := b.Heartbeat(ctx, "w1", []Lease{c0, c1}); err != nil || len(lost) != 0 || len(hungry) != 1 || hungry[0] != id {
		t.Errorf("heartbeat: lost %v, hungry %v, %v; want the job to be hungry: a claim found nothing", lost, hungry, err)
	}
	const child, grandchild = "k00000000-00003-0", "k00000000-00003-0-00001-0"
	b.noError(b.Split(ctx, c0, []string{child}))
	b.noError(b.Split(ctx, c0, []string{child}))
	b.look()
	k := b.claim()
	if k.Item != child || k.Token != 1 {
		t.Fatalf("claimed %+v, want the child for the first time", k)
	}
	b.nothing()
	b.noError(b.Split(ctx, k, []string{grandchild}))
	b.noError(b.Complete(ctx, k))
	b.noError(b.Complete(ctx, k)) // said twice
	b.noError(b.Split(ctx, c0, []string{child}))
	b.noError(b.Complete(ctx, c0))
	b.noError(b.Complete(ctx, c1))
	if j := b.get(id); j.Total != 4 || j.Done != 3 {
		t.Errorf("%d of %d done, want 3 of 4", j.Done, j.Total)
	}
	g := b.claim()
	if g.Item != grandchild {
		t.Fatalf("claimed %+v, want the grandchild: no stage before it is done", g)
	}
	b.noError(b.redis.ZRem(ctx, b.key(id, "l"), grandchild).Err()) // lost by Redis
	b.look()
	if g = b.claim(); g.Item != grandchild || g.Token != 2 {
		t.Fatalf("claimed %+v, want the grandchild again", g)
	}

	b.flush()
	snap := Snapshot{ID: id, Client: "a", Created: time.Now(), Total: 2, Done: []int64{0, 1}, Next: "finish", Children: map[string]bool{child: true, grandchild: false}}
	if ok, err := b.Restore(ctx, snap); err != nil || !ok {
		t.Fatalf("restored %v, %v", ok, err)
	}
	if err := b.Complete(ctx, g); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("a lease from before the loss: %v, want ErrLeaseLost", err)
	}
	if g = b.claim(); g.Item != grandchild || g.Token != 2 {
		t.Fatalf("claimed %+v, want the open grandchild, as begun by somebody before", g)
	}
	b.nothing()
	b.noError(b.Complete(ctx, g))
	if l := b.claim(); l.Item != "finish" {
		t.Errorf("claimed %+v, want finish", l)
	}
}
