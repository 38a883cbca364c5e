package storage_test

import (
	"errors"
	"maps"
	"testing"

	"sluice/storage"
	"sluice/storage/memstore"
	"sluice/storage/storagetest"
)

func TestWatchIsAStore(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return storage.Watch(memstore.New(), func(string) {}) })
}

// What fails is counted once an operation, by its name; absence and existence are no failures.
func TestWatchCountsTrouble(t *testing.T) {
	mem, got := memstore.New(), map[string]int{}
	s := storage.Watch(mem, func(op string) { got[op]++ })
	ctx := t.Context()
	if err := storage.Put(ctx, s, "a/b", []byte("x"), storage.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, absent := s.Stat(ctx, "a/none")
	if err := storage.PutIfAbsent(ctx, s, "a/b", []byte("y"), ""); !errors.Is(err, storage.ErrExist) || !errors.Is(absent, storage.ErrNotExist) {
		t.Errorf("%v and %v, want ErrExist and ErrNotExist", err, absent)
	}
	if len(got) > 0 {
		t.Errorf("counted %v before anything failed", got)
	}
	down := errors.New("down")
	mem.Hook = func(string, string) error { return down }
	_ = storage.Put(ctx, s, "a/c", []byte("x"), storage.CreateOptions{})
	_, _ = s.Open(ctx, "a/b", 0, -1)
	_, _ = s.Stat(ctx, "a/b")
	_ = s.Delete(ctx, "a/b")
	for range s.List(ctx, "a/") {
	}
	for range s.Dirs(ctx, "") {
	}
	want := map[string]int{"create": 1, "open": 1, "stat": 1, "delete": 1, "list": 1, "dirs": 1}
	if !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}
