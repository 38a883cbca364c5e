package memstore_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/storage"
	"sluice/storage/memstore"
	"sluice/storage/storagetest"
)

func TestStore(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return memstore.New() })
}

func TestHookFailsEachOperation(t *testing.T) {
	errHook := errors.New("hook")
	for _, tc := range []struct {
		op      string
		do      func(ctx context.Context, s storage.Store) error
		visible bool // key "new" exists afterwards
	}{
		{"create", putNew, false},
		{"write", putNew, false},
		{"commit", putNew, false},
		{"committed", putNew, true},
		{"abort", func(ctx context.Context, s storage.Store) error {
			w, err := s.Create(ctx, "new", storage.CreateOptions{})
			return errors.Join(err, w.Abort())
		}, false},
		{"open", readOld, false},
		{"read", readOld, false},
		{"stat", func(ctx context.Context, s storage.Store) error { _, err := s.Stat(ctx, "old"); return err }, false},
		{"delete", func(ctx context.Context, s storage.Store) error { return s.Delete(ctx, "old") }, false},
		{"list", func(ctx context.Context, s storage.Store) (err error) {
			for _, err = range s.List(ctx, "o") {
			}
			return err
		}, false},
		{"dirs", func(ctx context.Context, s storage.Store) (err error) {
			for _, err = range s.Dirs(ctx, "") {
			}
			return err
		}, false},
	} {
		t.Run(tc.op, func(t *testing.T) {
			s := memstore.New()
			if err := storage.Put(t.Context(), s, "old", []byte("body"), storage.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			s.Hook = func(op, key string) error {
				if op == tc.op {
					return errHook
				}
				return nil
			}
			if err := tc.do(t.Context(), s); !errors.Is(err, errHook) {
				t.Errorf("error %v, want the hook's", err)
			}
			s.Hook = nil
			if _, err := s.Stat(t.Context(), "old"); err != nil {
				t.Errorf("Stat(old): %v", err)
			}
			if _, err := s.Stat(t.Context(), "new"); (err == nil) != tc.visible {
				t.Errorf("Stat(new): %v, want visible %t", err, tc.visible)
			}
		})
	}
}

func putNew(ctx context.Context, s storage.Store) error {
	return storage.PutIfAbsent(ctx, s, "new", []byte("body"), "text/plain")
}

func readOld(ctx context.Context, s storage.Store) error {
	r, err := s.Open(ctx, "old", 0, -1)
	if err != nil {
		return err
	}
	_, err = io.ReadAll(r)
	return errors.Join(err, r.Close())
}

func TestOptionsAreKept(t *testing.T) {
	s := memstore.New()
	want := storage.CreateOptions{IfAbsent: true, ContentType: "application/gzip", ContentEncoding: "gzip"}
	if err := storage.Put(t.Context(), s, "a", nil, want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Options("a")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("options (-want +got):\n%s", d)
	}
}
