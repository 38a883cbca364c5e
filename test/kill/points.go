package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"sluice/export"
	"sluice/test/stack"
)

// points kills one process once at each named point, or at some of them, and compares what comes out with the truth. Each export is
// also handed over by SIGTERM in its middle, and deleted at its end, so that all points are reached.
func (l *loop) points(ctx context.Context) error {
	began := time.Now()
	l.tags = "failpoints"
	l.delay = max(l.delay, 100*time.Millisecond) // leases are renewed once a second: that must happen, too
	b, err := l.startUpstream(ctx)
	if err != nil {
		return err
	}
	list, err := exec.CommandContext(ctx, b.Sluice, "failpoints").Output()
	if err != nil {
		return fmt.Errorf("list the points: %w", err)
	}
	names := strings.Fields(string(list))
	slices.Sort(names)
	all := len(names)
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.Contains(n, l.only) })
	if l.some > 0 && l.some < len(names) {
		l.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		names = names[:l.some]
	}
	for _, name := range names {
		if err := l.point(ctx, b, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("killed at %s: right\n", name)
	}
	fmt.Printf("%d of %d named points killed once: %d exports, %d rows, %d lost, %d doubled, all deleted; %.0f s\n",
		len(names), all, l.sums.jobs, l.sums.rows, l.sums.lost, l.sums.doubled, time.Since(began).Seconds())
	return nil
}

// point runs one export whose process dies once at a point.
func (l *loop) point(ctx context.Context, b stack.Binaries, name string) error {
	home := filepath.Join(l.dir, name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	one := &loop{settings: l.settings, random: l.random, upstream: l.upstream, want: l.want}
	one.dir, one.replicas = home, nil
	if err := one.startReplicas(ctx, b, 1); err != nil {
		return err
	}
	defer func() {
		one.upstream = nil
		one.close()
	}()
	s := &supervisor{replica: one.replicas[0], env: "SLUICE_FAILPOINT=" + name}
	watch, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.watch(watch) }()
	err := one.lifeOf(ctx, s)
	stop()
	if werr := <-done; err == nil {
		err = werr
	}
	if err == nil && !s.died() {
		err = errors.New("the point was never reached")
	}
	if err == nil {
		l.add(stack.Difference{Rows: one.sums.rows})
		err = os.RemoveAll(home)
	}
	return err
}

// lifeOf takes an export from its kick-off to its deletion.
func (l *loop) lifeOf(ctx context.Context, s *supervisor) error {
	ctx, done := context.WithTimeout(ctx, 2*time.Minute)
	defer done()
	handed := make(chan error, 1)
	go func() { handed <- l.handOver(ctx, s) }()
	d, err := l.export(ctx, filepath.Join(l.dir, "out"))
	for err != nil && ctx.Err() == nil { // a kick-off that got no answer: a client tries again
		time.Sleep(100 * time.Millisecond)
		d, err = l.export(ctx, filepath.Join(l.dir, "out"))
	}
	if err := errors.Join(err, <-handed); err != nil {
		return err
	}
	if !d.None() {
		return fmt.Errorf("the rows are not those of the upstream: %v", d)
	}
	l.add(d)
	return l.remove(ctx)
}

// intoChunks is how long after the plan all chunks are under way and none has ended, at the least delay of the upstream.
const intoChunks = 1500 * time.Millisecond

// handOver asks the process to end in good order in the middle of the export, and starts it again.
func (l *loop) handOver(ctx context.Context, s *supervisor) error {
	for ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
		ids, err := stack.Jobs(ctx, l.store())
		if err != nil {
			return err
		}
		for _, id := range ids {
			p, err := stack.ReadProgress(ctx, l.store(), id)
			switch {
			case err != nil || p.Finished:
				return err // too late
			case p.Planned:
				time.Sleep(intoChunks)
				return s.terminate(ctx)
			}
		}
	}
	return ctx.Err()
}

// remove deletes the export and waits until nothing of it is left.
func (l *loop) remove(ctx context.Context) error {
	base := "http://" + l.balancer.Addr + "/fhir"
	ids, err := stack.Jobs(ctx, l.store())
	if err != nil {
		return err
	}
	for _, id := range ids { // more than one when the first kick-off got no answer
		if err := l.removeOne(ctx, base, id); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) removeOne(ctx context.Context, base, id string) (err error) {
	c := stack.Client{Base: base, ID: "loader", Key: l.key}
	for err = c.Delete(ctx, base+"/bulkstatus/"+id); err != nil && ctx.Err() == nil; err = c.Delete(ctx, base+"/bulkstatus/"+id) {
		time.Sleep(100 * time.Millisecond)
	}
	for {
		keys, err := stack.Objects(ctx, l.store(), id)
		if err != nil {
			return err
		}
		if len(keys) == 0 || len(keys) == 1 && keys[0] == export.TombstoneKey(id) {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d objects are left after the export was deleted, such as %s", len(keys), keys[0])
		}
	}
}

// supervisor starts the process again when it has died, without the point after it has done its work.
type supervisor struct {
	replica *stack.Replica
	env     string

	mu    sync.Mutex
	dead  bool // it has killed itself
	ended bool // we asked it to end
}

func (s *supervisor) died() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// watch runs the process until ctx ends.
func (s *supervisor) watch(ctx context.Context) error {
	public := s.replica.Env
	for ctx.Err() == nil {
		s.mu.Lock()
		s.replica.Env = slices.Clone(public)
		if !s.dead {
			s.replica.Env = append(s.replica.Env, s.env)
		}
		s.ended = false
		err := s.replica.Launch()
		p := s.replica.Process
		s.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.Done():
		}
		s.mu.Lock()
		byItself := !s.ended || p.EndedBy(syscall.SIGKILL)
		if byItself && s.dead {
			s.mu.Unlock()
			return errors.New("the process ended although no point was set")
		}
		s.dead = s.dead || byItself
		s.mu.Unlock()
	}
	return nil
}

// terminate asks the process to end in good order; watch starts it again.
func (s *supervisor) terminate(ctx context.Context) error {
	s.mu.Lock()
	s.ended = true
	p := s.replica.Process
	s.mu.Unlock()
	err := p.Terminate(ctx)
	if p.EndedBy(syscall.SIGKILL) || p.EndedBy(syscall.SIGTERM) {
		return nil // by itself, at the point; or before it could listen to signals
	}
	return err
}
