package memstore

import (
	"bytes"
	"context"
	"time"

	"sluice/storage"
)

// Create opens a writer; see storage.Store.
func (s *Store) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	if !storage.ValidKey(key) {
		return nil, storage.ErrInvalidKey
	}
	if err := s.ask(ctx, "create", key); err != nil {
		return nil, err
	}
	return &writer{ctx: ctx, s: s, key: key, o: o}, nil
}

type writer struct {
	ctx  context.Context // the writer lives as long as its Create's context, as the contract says
	s    *Store
	key  string
	o    storage.CreateOptions
	body bytes.Buffer

	done bool
	info storage.Info // the answer of Commit
	err  error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, storage.ErrClosed
	}
	if err := w.s.ask(w.ctx, "write", w.key); err != nil {
		return 0, err
	}
	return w.body.Write(p)
}

func (w *writer) Commit() (storage.Info, error) {
	if !w.done {
		w.done = true
		w.info, w.err = w.commit()
	}
	return w.info, w.err
}

func (w *writer) commit() (storage.Info, error) {
	if err := w.s.ask(w.ctx, "commit", w.key); err != nil {
		return storage.Info{}, err
	}
	o := object{body: w.body.Bytes(), at: time.Now(), o: w.o}
	if err := w.s.put(w.key, o); err != nil {
		return storage.Info{}, err
	}
	if w.s.Hook != nil {
		if err := w.s.Hook("committed", w.key); err != nil {
			return storage.Info{}, err
		}
	}
	return info(w.key, o), nil
}

func (w *writer) Abort() error {
	if w.done {
		return nil
	}
	w.done, w.err = true, storage.ErrClosed
	w.body = bytes.Buffer{}
	if w.s.Hook != nil {
		return w.s.Hook("abort", w.key)
	}
	return nil
}

func (s *Store) put(key string, o object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.objects[key]; there && o.o.IfAbsent {
		return storage.ErrExist
	}
	s.objects[key] = o
	return nil
}
