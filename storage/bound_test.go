package storage_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sluice/storage"
	"sluice/storage/memstore"
	"sluice/storage/storagetest"
)

func TestBoundIsAStore(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return storage.Bound(memstore.New(), time.Minute) })
}

// hung never answers until the caller gives up.
type hung struct{ storage.Store }

func (h hung) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	w, err := h.Store.Create(ctx, key, o)
	return hungWriter{w, ctx}, err
}

type hungWriter struct {
	storage.Writer
	ctx context.Context
}

func (w hungWriter) Commit() (storage.Info, error) {
	<-w.ctx.Done()
	return storage.Info{}, w.ctx.Err()
}

func (h hung) Stat(ctx context.Context, _ string) (storage.Info, error) {
	<-ctx.Done()
	return storage.Info{}, ctx.Err()
}

func (h hung) Delete(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }

func TestBoundEndsWhatHangs(t *testing.T) {
	ctx := context.Background()
	for name, op := range map[string]func(context.Context, storage.Store) error{
		"put":    func(ctx context.Context, s storage.Store) error { return storage.PutIfAbsent(ctx, s, "a", nil, "") },
		"stat":   func(ctx context.Context, s storage.Store) error { _, err := s.Stat(ctx, "a"); return err },
		"delete": func(ctx context.Context, s storage.Store) error { return s.Delete(ctx, "a") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := storage.Bound(hung{memstore.New()}, time.Minute)
				began := time.Now()
				err := op(ctx, s)
				if trouble := (*storage.Error)(nil); !errors.As(err, &trouble) || time.Since(began) != time.Minute {
					t.Errorf("%v after %v, want *storage.Error after a minute", err, time.Since(began))
				}
				own, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				err = op(own, s)
				if trouble := (*storage.Error)(nil); errors.As(err, &trouble) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v, want the caller's own deadline", err)
				}
			})
		})
	}
}

func TestBoundTellsTroubleFromAnswers(t *testing.T) {
	ctx, broken := t.Context(), errors.New("disk full")
	mem := memstore.New()
	s := storage.Bound(mem, time.Minute)
	if err := storage.PutIfAbsent(ctx, s, "a", nil, ""); err != nil {
		t.Fatal(err)
	}
	_, absent := s.Stat(ctx, "b")
	for _, err := range []error{absent, storage.PutIfAbsent(ctx, s, "a", nil, "")} {
		if trouble := (*storage.Error)(nil); err == nil || errors.As(err, &trouble) {
			t.Errorf("%v, want an answer and no *storage.Error", err)
		}
	}
	mem.Hook = func(string, string) error { return broken }
	_, stat := s.Stat(ctx, "a")
	_, open := s.Open(ctx, "a", 0, -1)
	for _, err := range []error{stat, open, storage.Put(ctx, s, "b", nil, storage.CreateOptions{}), s.Delete(ctx, "a")} {
		if trouble := (*storage.Error)(nil); !errors.As(err, &trouble) || !errors.Is(err, broken) {
			t.Errorf("%v, want *storage.Error with its cause", err)
		}
	}
	for _, err := range s.List(ctx, "") {
		if trouble := (*storage.Error)(nil); !errors.As(err, &trouble) {
			t.Errorf("list: %v, want *storage.Error", err)
		}
	}
}
