package upstream

import (
	"context"
	"sync"
)

// slots bounds how many requests are in flight. Who waits is served in order.
type slots struct {
	mu      sync.Mutex
	size    int
	used    int
	waiting []chan struct{}
}

func newSlots(n int) *slots { return &slots{size: n} }

// acquire takes a slot, or returns why ctx ended; release gives it back.
func (s *slots) acquire(ctx context.Context) error {
	s.mu.Lock()
	if s.used < s.size && len(s.waiting) == 0 {
		s.used++
		s.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	s.waiting = append(s.waiting, turn)
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.waiting {
		if w == turn {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return context.Cause(ctx)
		}
	}
	s.used-- // it came at the same moment
	s.serve()
	return context.Cause(ctx)
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	s.serve()
}

// resize changes how many may be in flight; those that are too many now end by themselves.
func (s *slots) resize(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = n
	s.serve()
}

// serve gives free slots to those who wait.
func (s *slots) serve() {
	for s.used < s.size && len(s.waiting) > 0 {
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
		s.used++
	}
}

func (s *slots) state() (used, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, s.size
}
