package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// How long things live that nobody may be left to remove.
const (
	pendingFor = 60 * time.Second // from Admit to Queue
	keptFor    = 24 * time.Hour   // the record of a job that has ended
)

// Options are what a Store needs. Only Redis is required.
type Options struct {
	// Redis should have ContextTimeoutEnabled, or a call waits for the client's own time-outs whatever its context says.
	Redis      redis.UniversalClient
	Prefix     string        // put before every key, for installations that share one Redis; "" by default, no braces
	Lease      time.Duration // how long a lease lives without a heartbeat; 15 s
	MaxRunning int           // jobs of one client that run at once; 2
	MaxQueued  int           // further jobs of one client that may wait; 10
	Log        *slog.Logger  // nil: discarded
	// Around, when set, is called before every script with its name ("job/claim"); what it returns is called after.
	Around func(script string) (after func())
}

// Store is the state of all exports. Many goroutines may use one; many processes may share one Redis.
type Store struct {
	o       Options
	scripts map[string]*redis.Script
}

// New checks the options and loads the scripts. It does not talk to Redis.
func New(o Options) (*Store, error) {
	if o.Redis == nil {
		return nil, errors.New("jobs: no Redis given")
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, fmt.Errorf("jobs: prefix %q must not contain braces", o.Prefix)
	}
	if o.Lease < 0 || o.MaxRunning < 0 || o.MaxQueued < 0 {
		return nil, errors.New("jobs: lease and limits must not be negative")
	}
	if o.Lease == 0 {
		o.Lease = 15 * time.Second
	}
	if o.MaxRunning == 0 {
		o.MaxRunning = 2
	}
	if o.MaxQueued == 0 {
		o.MaxQueued = 10
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	scripts, err := loadScripts()
	if err != nil {
		return nil, err
	}
	return &Store{o: o, scripts: scripts}, nil
}

// Ping asks whether Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.o.Redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	return nil
}

// Check asks whether this Redis may be used at all. One that evicts keys when its memory is full would lose leases without a word.
// A Redis that does not tell its policy, as the embedded one, passes.
func (s *Store) Check(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	info, err := s.o.Redis.Info(ctx, "memory").Result()
	if redisErr := redis.Error(nil); errors.As(err, &redisErr) {
		return nil
	} else if err != nil {
		return fmt.Errorf("ask redis for its memory policy: %w", err)
	}
	return checkPolicy(info)
}

func checkPolicy(info string) error {
	for line := range strings.Lines(info) {
		policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:")
		if ok && policy != "noeviction" {
			return fmt.Errorf("redis has maxmemory-policy %s: it must be noeviction, or running exports lose their state", policy)
		}
	}
	return nil
}
