package fanout_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"sluice/fanout"
	"sluice/jobs"
	"sluice/storage"
	"sluice/upstream"
)

var (
	errDead = errors.New("this process is dead")
	errFire = errors.New("injected")
)

// weather is what all nodes of a simulated world suffer from. Its numbers are changed by the script of the seed.
type weather struct {
	redisAway atomic.Bool
	redis     sync.RWMutex // held while Redis does something; a snapshot is of one moment
	storeFire atomic.Int64 // per cent of storage calls that go wrong
	mu        sync.Mutex
	random    *rand.Rand
}

func (w *weather) dice(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// node is one process of a simulated world: everything it does outside goes through gate, which takes a while, and can be held up or cut.
type node struct {
	w      *weather
	dead   atomic.Bool
	frozen atomic.Int64 // until when, Unix nanoseconds
	engine *fanout.Engine
	jobs   *jobs.Store
	client redis.UniversalClient
	cancel context.CancelFunc
	done   chan error
}

// gate lets some time pass and then the process go on, unless it is dead by then.
func (n *node) gate(most time.Duration) error {
	if most > 0 {
		time.Sleep(time.Duration(n.w.dice(int(most))))
	}
	for {
		wait := time.Until(time.Unix(0, n.frozen.Load()))
		if wait <= 0 || n.dead.Load() {
			break
		}
		time.Sleep(wait)
	}
	if n.dead.Load() {
		return errDead
	}
	return nil
}

// around does a call between two gates: a process that dies in between has had its effect and does not know.
func (n *node) around(call func() error) error {
	if err := n.gate(5 * time.Millisecond); err != nil {
		return err
	}
	err := call()
	if dead := n.gate(5 * time.Millisecond); dead != nil {
		return dead
	}
	return err
}

// newNode starts a process of the world.
func (s *sim) newNode() *node {
	n := &node{w: s.weather, done: make(chan error, 1)}
	n.client = redis.NewClient(&redis.Options{
		Addr: "simulated", Dialer: func(context.Context, string, string) (net.Conn, error) { return s.server.Dial() },
		Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	n.client.AddHook(nodeRedis{n})
	var err error
	if n.jobs, err = jobs.New(jobs.Options{Redis: n.client, MaxRunning: 3}); err != nil {
		s.t.Fatal(err)
	}
	up, err := upstream.New(upstream.Options{URL: upstreamBase, Transport: nodeTransport{n, direct{s.rig.fake}}, Follow: follow, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	o := fanout.Options{
		Jobs: n.jobs, Store: nodeStore{s.store, n}, Source: up, Audit: noAudit{}, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Workers: 2, ChunkPatients: 2, PartSize: 1 << 10, Poll: 2 * time.Second, Linger: 30 * time.Second, SplitAfter: 5 * time.Second, Heartbeat: 2 * time.Second,
	}
	if s.change != nil {
		s.change(&o)
	}
	if n.engine, err = fanout.New(o); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	n.cancel = cancel
	go func() { n.done <- n.engine.Run(ctx) }()
	return n
}

// kill ends the process at once: nothing it does from now on has an effect.
func (n *node) kill() {
	n.dead.Store(true)
	n.stop()
}

// stop ends it in good order, unless it is dead.
func (n *node) stop() {
	n.cancel()
	<-n.done
	_ = n.client.Close()
}

type nodeTransport struct {
	n    *node
	next http.RoundTripper
}

func (t nodeTransport) RoundTrip(r *http.Request) (res *http.Response, err error) {
	err = t.n.around(func() error { res, err = t.next.RoundTrip(r); return err })
	if err != nil {
		return nil, err
	}
	return res, nil
}

type nodeRedis struct{ n *node }

func (h nodeRedis) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h nodeRedis) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := h.n.around(func() error {
			if h.n.w.redisAway.Load() {
				return errFire
			}
			h.n.w.redis.RLock()
			defer h.n.w.redis.RUnlock()
			return next(ctx, cmd)
		})
		if errors.Is(err, errFire) || errors.Is(err, errDead) {
			cmd.SetErr(err)
		}
		return err
	}
}
func (h nodeRedis) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// nodeStore is the store as one process sees it.
type nodeStore struct {
	storage.Store
	n *node
}

// call makes one storage call: when the store is on fire it fails before or after its effect, or hangs.
func (s nodeStore) call(ctx context.Context, op func() error) error {
	return s.n.around(func() error {
		if int64(s.n.w.dice(100)) >= s.n.w.storeFire.Load() {
			return op()
		}
		switch s.n.w.dice(10) {
		case 0:
			<-ctx.Done()
			return ctx.Err()
		case 1, 2:
			if err := op(); err != nil {
				return err
			}
		}
		return errFire
	})
}

func (s nodeStore) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	w, err := s.Store.Create(ctx, key, o)
	return nodeWriter{w, ctx, s}, err
}

type nodeWriter struct {
	storage.Writer
	ctx context.Context
	s   nodeStore
}

func (w nodeWriter) Commit() (info storage.Info, err error) {
	err = w.s.call(w.ctx, func() error { info, err = w.Writer.Commit(); return err })
	return info, err
}

func (s nodeStore) Open(ctx context.Context, key string, offset, length int64) (body io.ReadCloser, err error) {
	err = s.call(ctx, func() error { body, err = s.Store.Open(ctx, key, offset, length); return err })
	return body, err
}

func (s nodeStore) Stat(ctx context.Context, key string) (info storage.Info, err error) {
	err = s.call(ctx, func() error { info, err = s.Store.Stat(ctx, key); return err })
	return info, err
}

func (s nodeStore) Delete(ctx context.Context, key string) error {
	return s.call(ctx, func() error { return s.Store.Delete(ctx, key) })
}

func (s nodeStore) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if err := s.call(ctx, func() error { return nil }); err != nil {
			yield(storage.Info{}, err)
			return
		}
		s.Store.List(ctx, prefix)(yield)
	}
}

// server is the Redis of the world, whose keys grow older with the time of the bubble.
func startServer(done <-chan struct{}) (*miniredis.Miniredis, *sync.WaitGroup) {
	m, wg := miniredis.NewMiniRedis(), &sync.WaitGroup{}
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.FastForward(time.Second)
			case <-done:
				return
			}
		}
	})
	return m, wg
}
