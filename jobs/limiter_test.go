package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// crowd is several replicas that send as fast as they may, in virtual time.
type crowd struct {
	t        *testing.T
	redis    redis.UniversalClient
	limiters []*Limiter

	mu   sync.Mutex
	sent []time.Time
}

// inCrowd runs a test with n replicas that share the embedded Redis.
func inCrowd(t *testing.T, n int, o LimiterOptions, test func(*crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, redis: openEmbedded(t)}
		for range n {
			s, err := New(Options{Redis: c.redis})
			if err != nil {
				t.Fatal(err)
			}
			c.limiters = append(c.limiters, s.NewLimiter(o))
		}
		test(c)
	})
}

// send lets every replica send with so many workers for d.
func (c *crowd) send(workers int, d time.Duration) {
	ctx, cancel := context.WithTimeout(c.t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range c.limiters {
		for range workers {
			wg.Go(func() {
				for {
					switch err := l.Wait(ctx); {
					case ctx.Err() != nil:
						return
					case err != nil:
						c.t.Error(err)
						return
					}
					c.mu.Lock()
					c.sent = append(c.sent, time.Now())
					c.mu.Unlock()
					l.Report(true)
				}
			})
		}
	}
	wg.Wait()
}

// busiest is the largest number of requests in any second.
func (c *crowd) busiest() int {
	slices.SortFunc(c.sent, time.Time.Compare)
	most, first := 0, 0
	for last, at := range c.sent {
		for at.Sub(c.sent[first]) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// E12, E12b: four replicas with a limit of 50 send for twenty seconds, and Redis loses everything in between.
func TestE12_RateOfAllReplicas(t *testing.T) {
	for _, tc := range []struct {
		name            string
		replicas, burst int
		flushes         int
	}{{"undisturbed", 4, 20, 0}, {"flushed", 4, 20, 4}, {"flushed, with a small burst", 4, 5, 4}, {"flushed, one replica", 1, 20, 4}} {
		t.Run(tc.name, func(t *testing.T) {
			inCrowd(t, tc.replicas, LimiterOptions{Rate: 50, Burst: tc.burst}, func(c *crowd) {
				var wg sync.WaitGroup
				wg.Go(func() {
					for range tc.flushes {
						time.Sleep(4021 * time.Millisecond)
						for range 3 { // in one second
							if err := c.redis.FlushAll(c.t.Context()).Err(); err != nil {
								c.t.Error(err)
							}
							time.Sleep(300 * time.Millisecond)
						}
					}
				})
				c.send(6, 20*time.Second)
				wg.Wait()
				if n := c.busiest(); n > 50+tc.burst {
					c.t.Errorf("%d requests in one second, want at most %d", n, 50+tc.burst)
				}
				least := 47*20 - tc.flushes*100 // they cost two seconds or so
				if n := len(c.sent); n < least || n > 50*20+20 {
					c.t.Errorf("%d requests in 20 s, want between %d and %d", n, least, 50*20+20)
				}
				if n := c.limiters[0].Replicas(); n != tc.replicas {
					c.t.Errorf("%d replicas known, want %d", n, tc.replicas)
				}
			})
		})
	}
}

// At a high rate a call books several requests: fewer than 1.5 calls a request.
func TestE12_CallsPerRequest(t *testing.T) {
	inCrowd(t, 2, LimiterOptions{Rate: 400, Burst: 20}, func(c *crowd) {
		var calls atomic.Int64
		c.redis.AddHook(counting{&calls})
		c.send(16, 10*time.Second)
		if n, most := calls.Load(), int64(len(c.sent))*3/2; n > most {
			c.t.Errorf("%d calls for %d requests", n, len(c.sent))
		}
		if len(c.sent) < 400*10*9/10 {
			c.t.Errorf("%d requests in 10 s, want about %d", len(c.sent), 4000)
		}
	})
}

type counting struct{ n *atomic.Int64 }

func (h counting) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmd)
	}
}
func (h counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// E7, P5: while Redis is away the replicas together stay below the rate, by the number last known; after it is back, too.
func TestE7_RateWithoutRedis(t *testing.T) {
	inCrowd(t, 4, LimiterOptions{Rate: 50, Burst: 5}, func(c *crowd) {
		var away atomic.Bool
		c.redis.AddHook(unreachable{&away})
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(10 * time.Second)
			away.Store(true)
			time.Sleep(30 * time.Second)
			away.Store(false)
		})
		c.send(6, time.Minute)
		wg.Wait()
		if n := c.busiest(); n > 55 {
			c.t.Errorf("%d requests in one second, want at most 55", n)
		}
		if n := len(c.sent); n < 40*60 {
			c.t.Errorf("%d requests in a minute: sending nearly stopped", n)
		}
	})
}

type unreachable struct{ away *atomic.Bool }

func (h unreachable) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h unreachable) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h.away.Load() {
			err := errors.New("connection refused")
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}
func (h unreachable) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A pause that one replica was asked for stops all of them, and a shorter one does not cut it short.
func TestPauseIsShared(t *testing.T) {
	inCrowd(t, 3, LimiterOptions{Rate: 50, Burst: 5}, func(c *crowd) {
		end := time.Now().Add(7 * time.Second)
		c.limiters[0].Pause(end)
		c.limiters[1].Pause(time.Now().Add(time.Second))
		c.send(2, 10*time.Second)
		slices.SortFunc(c.sent, time.Time.Compare)
		if len(c.sent) == 0 || c.sent[0].Before(end) {
			c.t.Errorf("%d requests, the first %v before the end of the pause", len(c.sent), end.Sub(c.sent[0]))
		}
		c.limiters[2].Pause(time.Now().Add(time.Hour))
		var put interface{ Unavailable() (time.Duration, bool) }
		time.Sleep(time.Second)
		if err := c.limiters[0].Wait(c.t.Context()); !errors.As(err, &put) {
			c.t.Errorf("%v, want an error that says for how long: nobody sits an hour out", err)
		}
	})
}

// E26: after a breaker has opened one request is out at a time over all replicas until one goes well; then the rate begins low.
func TestE26_OneProbe(t *testing.T) {
	inCrowd(t, 4, LimiterOptions{Rate: 100, Burst: 10}, func(c *crowd) {
		began := time.Now()
		c.limiters[0].Trip(began.Add(20 * time.Second))
		var probes []time.Duration
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Minute)
		defer cancel()
		well := began.Add(3 * time.Minute)
		var wg sync.WaitGroup
		for _, l := range c.limiters {
			for range 4 {
				wg.Go(func() {
					for time.Now().Before(well.Add(2*time.Minute)) && ctx.Err() == nil {
						err := l.Wait(ctx)
						var put *PausedError
						if errors.As(err, &put) {
							time.Sleep(put.Wait)
							continue
						}
						c.mu.Lock()
						if len(c.sent) == 0 {
							probes = append(probes, time.Since(began))
						}
						c.mu.Unlock()
						time.Sleep(100 * time.Millisecond)
						ok := time.Now().After(well)
						if ok {
							c.mu.Lock()
							c.sent = append(c.sent, time.Now())
							c.mu.Unlock()
						}
						l.Report(ok)
					}
				})
			}
		}
		wg.Wait()
		if len(probes) < 2 || len(probes) > 5 {
			c.t.Fatalf("requests %v while the upstream was down for three minutes, want a few single ones", probes)
		}
		for k, at := range probes {
			if k == 0 && at < 20*time.Second || k > 0 && at-probes[k-1] < 30*time.Second && k < len(probes)-1 {
				c.t.Errorf("probes at %v: too early", probes)
			}
		}
		first := 0
		for _, at := range c.sent {
			if at.Sub(c.sent[0]) < time.Second {
				first++
			}
		}
		if first > 25 {
			c.t.Errorf("%d requests in the first second after the probe, want a low begin", first)
		}
		if last := c.busiest(); last < 60 || last > 110 {
			c.t.Errorf("at most %d requests in a second, want the whole rate in the end and never more", last)
		}
	})
}
