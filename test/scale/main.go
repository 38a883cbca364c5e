package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/test/stack"
)

// Bounds of what this program shows.
const (
	mostKickoff = time.Second
	mostPlan    = 60 * time.Second
	mostRedis   = 30 << 20 // bytes, for the whole export
	spread      = 0.10     // between 1,000 and 100,000 patients
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "sluice-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := stack.Build(ctx, dir, "")
	if err != nil {
		return err
	}
	parts := []struct {
		name string
		run  func(context.Context, stack.Binaries, string) error
	}{{"million", million}, {"fair", fair}, {"cancel", cancel}, {"growth", growth}}
	ran := false
	for _, p := range parts {
		if len(os.Args) > 1 && os.Args[1] != p.name {
			continue
		}
		ran = true
		if err := p.run(ctx, b, filepath.Join(dir, p.name)); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if !ran {
		return fmt.Errorf("%q: expected million, fair, cancel or growth", os.Args[1])
	}
	return nil
}

// growth compares an export of 1,000 patients with one of 100,000: neither speed nor memory depend on their number.
func growth(ctx context.Context, b stack.Binaries, dir string) error {
	small, err := whole(ctx, b, filepath.Join(dir, "small"), 1_000)
	if err != nil {
		return err
	}
	large, err := whole(ctx, b, filepath.Join(dir, "large"), 100_000)
	if err != nil {
		return err
	}
	faster, memory := large.rowsPerSecond/small.rowsPerSecond-1, float64(large.peak)/float64(small.peak)-1
	fmt.Printf("from 1,000 to 100,000 patients: rows/s %+.1f %%, peak memory %+.1f %% (allowed: %.0f %%)\n", faster*100, memory*100, spread*100)
	if memory > spread || faster < -spread {
		return errors.New("it does not scale")
	}
	return nil
}

// site is one Sluice with a real Redis in front of a hospital.
type site struct {
	hospital *hospital
	redis    *stack.Redis
	replica  *stack.Replica
	client   stack.Client
	dir      string
}

func open(ctx context.Context, b stack.Binaries, dir string, patients, workers, concurrency int) (s *site, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s = &site{dir: dir}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.hospital, err = openHospital(patients); err != nil {
		return nil, err
	}
	if s.redis, err = stack.StartRedis(ctx, dir); err != nil {
		return nil, err
	}
	key, err := stack.AddClient(ctx, filepath.Join(dir, "clients"), "loader")
	if err != nil {
		return nil, err
	}
	s.replica, err = stack.NewReplica(b, dir, "sluice", stack.Settings{
		"upstream": stack.Section{"url": s.hospital.base, "rate": 0, "concurrency": concurrency},
		"workers":  workers,
		"storage":  stack.Section{"url": "file:" + s.store()},
		"auth":     stack.Section{"clients_dir": filepath.Join(dir, "clients")},
		"state":    stack.Section{"redis": "redis://" + s.redis.Addr},
	})
	if err != nil {
		return nil, err
	}
	base := "http://" + s.replica.Public + "/fhir"
	s.client = stack.Client{Base: base, ID: "loader", Key: key}
	s.replica.Env = []string{"SLUICE_SERVER_PUBLIC_URL=" + base}
	return s, s.replica.Start(ctx)
}

func (s *site) store() string { return filepath.Join(s.dir, "store") }

func (s *site) close() {
	if s.replica != nil && s.replica.Process != nil {
		s.replica.Kill()
	}
	if s.redis != nil && s.redis.Process != nil {
		s.redis.Kill()
	}
	if s.hospital != nil {
		s.hospital.close()
	}
}

// memory asks Redis how much it uses.
func (s *site) memory(ctx context.Context) (int64, error) {
	c := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer c.Close()
	info, err := c.InfoMap(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	var n int64
	_, err = fmt.Sscan(info["Memory"]["used_memory"], &n)
	return n, err
}

// await polls the store until the export is as far as done says.
func (s *site) await(ctx context.Context, done func(stack.Progress) bool, look func(ctx context.Context, job string) (stack.Progress, error)) error {
	for {
		ids, err := stack.Jobs(ctx, s.store())
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			p, err := look(ctx, ids[0])
			if err != nil {
				return err
			}
			if done(p) {
				return nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
