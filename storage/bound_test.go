package storage_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

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
	minutes := map[string]time.Duration{"put": time.Minute, "stat": 2 * time.Minute, "delete": 2 * time.Minute}
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
				took := time.Since(began).Round(time.Minute) // what is tried once more takes a moment longer
				if trouble := (*storage.Error)(nil); !errors.As(err, &trouble) || took != minutes[name] {
					t.Errorf("%v after %v, want *storage.Error after %v", err, took, minutes[name])
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

func TestBoundTellsTroubleFromAnswers(t *testing.T) { synctest.Test(t, answers) }

func answers(t *testing.T) {
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
	mem.Hook = func(string, string) error { return broken } // for good
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

// A listing that breaks off now and then gives every key once.
func TestBoundListsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		want := []string{"a.b/1", "a/1", "a/2", "b/1"}
		for _, key := range want {
			if err := storage.Put(t.Context(), mem, key, nil, storage.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		s := storage.Bound(flaky{mem}, time.Minute)
		var got []string
		for info, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, info.Key)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		got = nil
		for dir, err := range s.Dirs(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, dir)
		}
		if d := cmp.Diff([]string{"a.b", "a", "b"}, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

// flaky breaks every listing off after its first new element; the next one gets one further.
type flaky struct{ storage.Store }

func (f flaky) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return breaking(f.Store.List(ctx, prefix), &listed)
}

func (f flaky) Dirs(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return breaking(f.Store.Dirs(ctx, prefix), &dirsListed)
}

var listed, dirsListed int

func breaking[T any](all iter.Seq2[T, error], times *int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		*times++
		left := *times
		for v, err := range all {
			if left == 0 {
				var none T
				yield(none, errors.New("broken off"))
				return
			}
			if left--; !yield(v, err) {
				return
			}
		}
	}
}
