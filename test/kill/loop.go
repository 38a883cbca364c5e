package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/storage"
	"sluice/test/stack"
)

// loop is one run of the program: the processes, and what was seen.
type loop struct {
	settings
	random   *rand.Rand
	upstream *stack.Upstream
	redis    *stack.Redis
	set      *stack.ReplicaSet // with -mode failover
	replicas []*stack.Replica
	balancer *stack.Balancer
	key      []byte
	want     map[string]int

	counted atomic.Int64 // kills in the middle of an export by a process with a lease
	other   int          // other moments, not used
	sums    sums
	account *account // only with one replica: what was asked for twice
}

// sums of the finished exports.
type sums struct{ jobs, rows, lost, doubled, other int }

// store is where the exports are: a folder, or a prefix of a bucket of its own.
func (l *loop) store() string {
	if l.at == "" {
		return filepath.Join(l.dir, "store")
	}
	bucket, query, _ := strings.Cut(l.at, "?")
	return fmt.Sprintf("%s/%x?%s", bucket, l.seed, query)
}

func (l *loop) run(ctx context.Context) error {
	began := time.Now()
	if err := l.start(ctx); err != nil {
		return err
	}
	if l.settings.replicas == 1 {
		l.account = &account{loop: l}
		if err := l.account.baseline(ctx); err != nil {
			return fmt.Errorf("undisturbed export: %w", err)
		}
	}
	killing, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	var running atomic.Int64
	for n := range l.jobs {
		running.Add(1)
		g.Go(func() error {
			defer func() {
				if running.Add(-1) == 0 {
					stop()
				}
			}()
			return l.exports(gctx, n)
		})
	}
	g.Go(func() error { return l.killer(killing) })
	if err := g.Wait(); err != nil {
		return err
	}
	fmt.Printf("%d kills that count (%d moments passed over), %d exports, %d rows, %d lost, %d doubled, %d unknown, %.0f s\n",
		l.counted.Load(), l.other, l.sums.jobs, l.sums.rows, l.sums.lost, l.sums.doubled, l.sums.other, time.Since(began).Seconds())
	if err := l.swept(ctx); err != nil {
		return err
	}
	if l.account != nil {
		fmt.Println(l.account)
		return l.account.check()
	}
	return nil
}

// swept looks whether the finished exports hold anything that their manifests do not need.
func (l *loop) swept(ctx context.Context) error {
	ids, err := stack.Jobs(ctx, l.store())
	if err != nil {
		return err
	}
	began, first := time.Now(), -1
	for {
		objects := 0
		for _, id := range ids {
			orphans, err := stack.Orphans(ctx, l.store(), id)
			if errors.Is(err, storage.ErrNotExist) {
				continue // not finished: its kick-off got no answer, and the client made another
			}
			if err != nil {
				return err
			}
			objects += len(orphans)
		}
		if first < 0 {
			first = objects
		}
		switch {
		case objects == 0:
			fmt.Printf("0 orphans in %d exports (%d when the last one ended, %.0f s before)\n", len(ids), first, time.Since(began).Seconds())
			return nil
		case time.Since(began) > sweeping:
			return fmt.Errorf("%d objects are left that no manifest needs", objects)
		}
		time.Sleep(time.Second)
	}
}

// sweeping is how long the sweep that follows the end of an export may take.
const sweeping = 90 * time.Second

// start builds and starts everything.
func (l *loop) start(ctx context.Context) error {
	b, err := l.startUpstream(ctx)
	if err != nil {
		return err
	}
	if err := l.startReplicas(ctx, b, l.settings.replicas); err != nil {
		return err
	}
	for _, r := range l.replicas {
		if err := r.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) startUpstream(ctx context.Context) (stack.Binaries, error) {
	b, err := stack.Build(ctx, l.dir, l.tags)
	if err != nil {
		return b, err
	}
	// Small pages make long chains: most kills fall into the middle of one.
	l.upstream, err = stack.StartUpstream(b, l.dir, "-patients", fmt.Sprint(l.patients), "-extras", "-dangling", "-delay", l.delay.String(), "-max-count", "20")
	if err != nil {
		return b, err
	}
	l.want, err = l.upstream.Oracle(ctx, "patient", followed, "Binary", "Group")
	return b, err
}

// startReplicas prepares the replicas and what they share; they do not run yet.
func (l *loop) startReplicas(ctx context.Context, b stack.Binaries, n int) (err error) {
	state := stack.Section{}
	switch {
	case l.mode == "failover":
		if l.set, err = stack.StartReplicaSet(ctx, l.dir); err != nil {
			return err
		}
		state["redis"] = l.set.URL()
	case l.settings.redis:
		if l.redis, err = stack.StartRedis(ctx, l.dir); err != nil {
			return err
		}
		state["redis"] = "redis://" + l.redis.Addr
	}
	clients := filepath.Join(l.dir, "clients")
	if l.key, err = stack.AddClient(ctx, clients, "loader"); err != nil {
		return err
	}
	settings := stack.Settings{
		"upstream": stack.Section{"url": l.upstream.URL, "rate": l.rate, "burst": l.burst, "concurrency": 16},
		"storage":  stack.Section{"url": stack.StoreURL(l.store())},
		"auth":     stack.Section{"clients_dir": clients},
		"export":   stack.Section{"jobs_per_client": l.jobs, "chunk_patients": 25},
		"state":    state,
	}
	var addrs []string
	for n := range n {
		r, err := stack.NewReplica(b, l.dir, fmt.Sprintf("replica%d", n+1), settings)
		if err != nil {
			return err
		}
		l.replicas, addrs = append(l.replicas, r), append(addrs, r.Public)
	}
	if l.balancer, err = stack.NewBalancer(addrs); err != nil {
		return err
	}
	for _, r := range l.replicas {
		r.Env = append([]string{"SLUICE_SERVER_PUBLIC_URL=http://" + l.balancer.Addr + "/fhir"}, l.env...)
	}
	return nil
}

func (l *loop) close() {
	for _, r := range l.replicas {
		if r.Process != nil {
			_ = r.Thaw()
			r.Kill()
		}
	}
	if l.balancer != nil {
		l.balancer.Close()
	}
	if l.set != nil {
		l.set.Kill()
	}
	if l.redis != nil && l.redis.Process != nil {
		l.redis.Kill()
	}
	if l.upstream != nil {
		l.upstream.Kill()
	}
}

// exports runs one export after another until there are kills enough.
func (l *loop) exports(ctx context.Context, worker int) error {
	for n := 0; n == 0 || l.counted.Load() < int64(l.kills); n++ {
		dir := filepath.Join(l.dir, fmt.Sprintf("out-%d-%d", worker, n))
		d, err := l.export(ctx, dir)
		if err != nil {
			return err
		}
		fmt.Printf("export: %v (%d kills so far)\n", d, l.counted.Load())
		l.add(d)
		if !d.None() {
			return errors.New("the rows are not those of the upstream")
		}
		if err := l.account.finished(ctx); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}
