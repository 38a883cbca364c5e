// Package memstore keeps objects in memory: for tests and for demonstrations that should leave nothing behind. Its Hook makes any
// operation fail, so that what stands on a store can be tested against a broken one.
package memstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/storage"
)

// Store keeps objects in memory. The zero value is not ready; see New.
type Store struct {
	// Hook, if set, is asked before each operation; its error is the operation's. Set it before the store is shared. The operations:
	// "create", "write", "commit", "abort", "open", "read", "stat", "list", "dirs", "delete" (list and dirs: key is the prefix).
	// Also "committed": asked after the object became visible, so its error is a lost acknowledgement.
	Hook func(op, key string) error

	mu      sync.RWMutex
	objects map[string]object
}

type object struct {
	body []byte // never changed
	at   time.Time
	o    storage.CreateOptions
}

var _ storage.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{objects: map[string]object{}} }

func (s *Store) ask(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Hook == nil {
		return nil
	}
	return s.Hook(op, key)
}

// Open reads a range of an object; see storage.Store.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if !storage.ValidKey(key) {
		return nil, storage.ErrInvalidKey
	}
	if offset < 0 {
		return nil, fmt.Errorf("negative offset %d", offset)
	}
	if err := s.ask(ctx, "open", key); err != nil {
		return nil, err
	}
	o, err := s.get(key)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, s: s, key: key, end: io.EOF}
	size := int64(len(o.body))
	switch {
	case offset > size:
		r.end = io.ErrUnexpectedEOF
		offset = size
	case length >= 0 && length > size-offset:
		r.end = io.ErrUnexpectedEOF
	case length >= 0:
		size = offset + length
	}
	r.body = *bytes.NewReader(o.body[offset:size])
	return r, nil
}

// reader reads a range and ends as end says.
type reader struct {
	ctx  context.Context // the reader lives as long as its Open's context, as the contract says
	s    *Store
	key  string
	body bytes.Reader
	end  error
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.s.ask(r.ctx, "read", r.key); err != nil {
		return 0, err
	}
	n, err := r.body.Read(p)
	if err == io.EOF {
		err = r.end
	}
	return n, err
}

func (r *reader) Close() error { return nil }

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	if !storage.ValidKey(key) {
		return storage.Info{}, storage.ErrInvalidKey
	}
	if err := s.ask(ctx, "stat", key); err != nil {
		return storage.Info{}, err
	}
	o, err := s.get(key)
	if err != nil {
		return storage.Info{}, err
	}
	return info(key, o), nil
}

// Options returns what an object was created with.
func (s *Store) Options(key string) (storage.CreateOptions, error) {
	o, err := s.get(key)
	return o.o, err
}

// List gives the objects below prefix as they were when the iteration began; see storage.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if !storage.ValidPrefix(prefix) {
			yield(storage.Info{}, storage.ErrInvalidKey)
			return
		}
		if err := s.ask(ctx, "list", prefix); err != nil {
			yield(storage.Info{}, err)
			return
		}
		for _, i := range s.below(prefix) {
			if err := ctx.Err(); err != nil {
				yield(storage.Info{}, err)
				return
			}
			if !yield(i, nil) {
				return
			}
		}
	}
}

// Dirs gives the next path segments below prefix; see storage.Store.
func (s *Store) Dirs(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if !storage.ValidDir(prefix) {
			yield("", storage.ErrInvalidKey)
			return
		}
		if err := s.ask(ctx, "dirs", prefix); err != nil {
			yield("", err)
			return
		}
		last := ""
		for _, i := range s.below(prefix) {
			segment, _, isDir := strings.Cut(i.Key[len(prefix):], "/")
			if !isDir || segment == last {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(segment, nil) {
				return
			}
			last = segment
		}
	}
}

// Delete removes an object; see storage.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if !storage.ValidKey(key) {
		return storage.ErrInvalidKey
	}
	if err := s.ask(ctx, "delete", key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func (s *Store) get(key string) (object, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[key]
	if !ok {
		return object{}, storage.ErrNotExist
	}
	return o, nil
}

func (s *Store) below(prefix string) []storage.Info {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var infos []storage.Info
	for key, o := range s.objects {
		if strings.HasPrefix(key, prefix) {
			infos = append(infos, info(key, o))
		}
	}
	slices.SortFunc(infos, func(a, b storage.Info) int { return strings.Compare(a.Key, b.Key) })
	return infos
}

func info(key string, o object) storage.Info {
	return storage.Info{Key: key, Size: int64(len(o.body)), ModTime: o.at}
}
