package jobs

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// hook is something between the client and the server.
type hook func(next redis.ProcessHook) redis.ProcessHook

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return h(next) }

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// hooked returns the bench with a client of its own that has the hook.
func (b *bench) hooked(h hook) *bench {
	b.t.Helper()
	var c redis.UniversalClient
	switch plain := b.redis.(type) {
	case *redis.Client:
		o := *plain.Options()
		c = redis.NewClient(&o)
	case *redis.ClusterClient:
		o := *plain.Options()
		c = redis.NewClusterClient(&o)
	default:
		b.t.Fatalf("no idea how to hook a %T", plain)
	}
	c.AddHook(h)
	b.t.Cleanup(func() { c.Close() })
	so := b.o
	so.Redis = c
	s, err := New(so)
	b.noError(err)
	return &bench{s, b.t, b.redis}
}

// runs reports whether a command runs the script.
func (b *bench) runs(cmd redis.Cmder, script string) bool {
	args := cmd.Args()
	return len(args) > 1 && args[1] == b.scripts[script].Hash()
}

// The client library sends a command again when its answer was lost. But for a claim, which runs out, that must change nothing.
func testTwice(t *testing.T, b *bench) {
	ctx := t.Context()
	twice := map[string]int{}
	b = b.hooked(func(next redis.ProcessHook) redis.ProcessHook {
		return func(ctx context.Context, cmd redis.Cmder) error {
			for name := range b.scripts {
				if b.runs(cmd, name) && name != "job/claim" && next(ctx, cmd) == nil {
					twice[name]++
					cmd.SetErr(nil)
				}
			}
			return next(ctx, cmd)
		}
	})
	for range 12 { // the first runs load the scripts, on each node of a cluster
		id := NewID()
		b.noError(b.Admit(ctx, id, "a"))
		b.noError(b.Queue(ctx, id))
		b.noError(b.Advance(ctx, b.claim(), 2, "wave1"))
		for range 2 {
			l := b.claim()
			b.noError(b.Checkpoint(ctx, l, 0, Counters{Rows: 3, Requests: 2}, map[string]int64{"Patient": 3}))
			b.noError(b.Complete(ctx, l))
		}
		b.noError(b.Advance(ctx, b.claim(), 1, "finish"))
		b.noError(b.Complete(ctx, b.claim()))
		b.noError(b.Finish(ctx, b.claim(), Complete))
		j := b.get(id)
		if j.State != Complete || j.Total != 3 || j.Done != 3 || j.Counters.Rows != 6 || j.Types["Patient"] != 6 {
			t.Errorf("got %+v, want 3 of 3 chunks and 6 rows", j)
		}
		if fresh, err := b.UseJTI(ctx, "a", id, time.Now()); err != nil || !fresh {
			t.Errorf("assertion id: %v, %v, want fresh", fresh, err)
		}
		cancelled := b.kickOff("a")
		b.noError(b.Cancel(ctx, cancelled))
		b.noError(b.Forget(ctx, cancelled))
		b.nothing()
	}
	want := []string{"jti", "job/advance", "job/cancel", "job/checkpoint", "job/complete", "job/create", "job/finish", "job/forget", "job/get",
		"job/queue", "schedule/admit", "schedule/enroll", "schedule/leave", "schedule/pick", "schedule/settle"}
	for _, name := range want {
		if twice[name] == 0 {
			t.Errorf("%s was never sent twice", name)
		}
	}
}

// An answer that belongs to another question must never be used: a mixed-up connection would show one client the job of another.
func TestForeignAnswer(t *testing.T) {
	ctx := t.Context()
	plain := newBench(t, openEmbedded(t), Options{})
	mine, theirs := plain.planned("me", 50), plain.planned("them", 50)
	var swap func(redis.Cmder) // what happens to an answer
	b := plain.hooked(func(next redis.ProcessHook) redis.ProcessHook {
		return func(ctx context.Context, cmd redis.Cmder) error {
			err := next(ctx, cmd)
			if swap != nil && err == nil {
				swap(cmd)
			}
			return err
		}
	})
	// Every answer of this client is recorded, to be given later to another question.
	var answers []any
	record := func(cmd redis.Cmder) {
		if c, ok := cmd.(*redis.Cmd); ok {
			answers = append(answers, c.Val())
		}
	}
	lease := func(client string) Lease {
		for {
			if l := plain.claim(); l.Client == client {
				return l
			}
		}
	}
	theirLease := lease("them")
	swap = record
	for range 2 { // the scripts are loaded by the first
		_, err := b.Get(ctx, theirs)
		b.noError(err)
		b.noError(b.Checkpoint(ctx, theirLease, 0, Counters{}, nil))
		_, err = b.List(ctx)
		b.noError(err)
		_, err = b.Claim(ctx, "w2")
		b.noError(err)
		_, err = b.UseJTI(ctx, "them", "1", time.Now())
		b.noError(err)
		b.noError(b.Admit(ctx, NewID(), "them"))
	}
	myLease := lease("me")
	if len(answers) < 12 {
		t.Fatalf("recorded %d answers", len(answers))
	}
	for n, answer := range answers {
		if answer == nil {
			continue
		}
		swap = func(cmd redis.Cmder) { cmd.(*redis.Cmd).SetVal(answer) }
		for name, err := range map[string]error{
			"get":        second(b.Get(ctx, mine)),
			"checkpoint": b.Checkpoint(ctx, myLease, 0, Counters{}, nil),
			"jti":        second(b.UseJTI(ctx, "me", "1", time.Now())),
			"admit":      b.Admit(ctx, mine, "me"),
			"cancel":     b.Cancel(ctx, NewID()),
		} {
			if !errors.Is(err, errForeign) {
				t.Errorf("%s read answer %d of another: %v, want errForeign", name, n, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Errors of Redis are told as they are, and tell nothing but what was being done.
func TestRedisAway(t *testing.T) {
	ctx := t.Context()
	c := redis.NewClient(&redis.Options{
		Dialer:             func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed },
		DialerRetries:      1,
		DialerRetryTimeout: time.Millisecond,
		MaxRetries:         -1,
	})
	defer c.Close()
	s, err := New(Options{Redis: c})
	if err != nil {
		t.Fatal(err)
	}
	l := Lease{Job: NewID(), Client: "a", Item: "c0", Owner: "w1"}
	_, _, heartbeatErr := s.Heartbeat(ctx, "w1", []Lease{l})
	for name, err := range map[string]error{
		"ping":      s.Ping(ctx),
		"check":     s.Check(ctx),
		"admit":     s.Admit(ctx, l.Job, "a"),
		"queue":     s.Queue(ctx, l.Job),
		"get":       second(s.Get(ctx, l.Job)),
		"list":      second(s.List(ctx)),
		"cancel":    s.Cancel(ctx, l.Job),
		"forget":    s.Forget(ctx, l.Job),
		"claim":     second(s.Claim(ctx, "w1")),
		"heartbeat": heartbeatErr,
		"split":     s.Split(ctx, l, []string{"k00000000-00000-0"}),
		"complete":  s.Complete(ctx, l),
		"restore":   second(s.Restore(ctx, Snapshot{ID: l.Job, Client: "a"})),
		"jti":       second(s.UseJTI(ctx, "a", "1", time.Now())),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v, want the network's error", name, err)
		}
		if errors.Is(err, ErrUnknown) || errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s: %v looks like an answer", name, err)
		}
	}
}

func TestCheckPolicy(t *testing.T) {
	for _, tc := range []struct {
		name, info string
		ok         bool
	}{
		{"noeviction", "# Memory\r\nused_memory:1\r\nmaxmemory_policy:noeviction\r\n", true},
		{"evicts", "# Memory\r\nmaxmemory_policy:allkeys-lru\r\nused_memory:1\r\n", false},
		{"does not say", "# Memory\r\n", true},
	} {
		if err := checkPolicy(tc.info); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for name, open := range backends() {
		if err := newBench(t, open(t), Options{}).Check(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew(t *testing.T) {
	c := openEmbedded(t)
	for name, o := range map[string]Options{
		"no redis":       {},
		"prefix":         {Redis: c, Prefix: "{x}"},
		"negative lease": {Redis: c, Lease: -time.Second},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	s, err := New(Options{Redis: c})
	if err != nil {
		t.Fatal(err)
	}
	if s.o.Lease != 15*time.Second || s.o.MaxRunning != 2 || s.o.MaxQueued != 10 {
		t.Errorf("defaults %+v", s.o)
	}
	ids := []string{NewID(), NewID()}
	if len(ids[0]) != 32 || slices.Contains(ids[:1], ids[1]) {
		t.Errorf("ids %v", ids)
	}
}
