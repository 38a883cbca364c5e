// Package storagetest holds every backend to the contract of storage.Store. A mistake found in one backend becomes a case here.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/storage"
)

// Run runs the whole suite. open gives an empty store for one test; what it needs to close it leaves to t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for _, tc := range []struct {
		name string
		test func(t *testing.T, s storage.Store)
	}{
		{"nothing is visible before Commit", testInvisible},
		{"Commit describes the object", testCommit},
		{"Commit and Abort: the first call wins", testFirstCallWins},
		{"Abort drops what was written", testAbort},
		{"Commit fails and Abort works when the context has ended", testCancelled},
		{"a context that has ended stops everything", testEndedContext},
		{"a plain write replaces", testReplace},
		{"a reader goes on while others write", testOpenReader},
		{"IfAbsent refuses the second", testIfAbsent},
		{"IfAbsent: one of many wins", testRace},
		{"objects of no bytes and of many", testSizes},
		{"ranges", testRanges},
		{"List", testList},
		{"Dirs", testDirs},
		{"objects may be deleted while listing", testDeleteWhileListing},
		{"Delete", testDelete},
		{"what is not there", testAbsent},
		{"invalid keys are refused", testInvalidKeys},
		{"all at once", testMix},
		{"ReadAll has a limit", testReadAll},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.test(t, open(t)) })
	}
}

// put writes an object or ends the test.
func put(t *testing.T, s storage.Store, key, body string) {
	t.Helper()
	if err := storage.Put(t.Context(), s, key, []byte(body), storage.CreateOptions{}); err != nil {
		t.Fatalf("Put(%s): %v", key, err)
	}
}

// want checks what is under key.
func want(t *testing.T, s storage.Store, key, body string) {
	t.Helper()
	got, err := storage.ReadAll(t.Context(), s, key, 1<<30)
	if err != nil {
		t.Fatalf("ReadAll(%s): %v", key, err)
	}
	if !bytes.Equal(got, []byte(body)) {
		t.Errorf("%s holds %s, want %s", key, short(got), short([]byte(body)))
	}
}

// wantAbsent checks that no call sees anything under key.
func wantAbsent(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Stat(%s): error %v, want ErrNotExist", key, err)
	}
	if r, err := s.Open(t.Context(), key, 0, -1); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Open(%s): error %v, want ErrNotExist", key, err)
		if err == nil {
			r.Close()
		}
	}
	if got := list(t, s, key); len(got) > 0 {
		t.Errorf("List(%s) gives %q, want nothing", key, got)
	}
}

func list(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func dirs(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	var names []string
	for name, err := range s.Dirs(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("Dirs(%q): %v", prefix, err)
		}
		names = append(names, name)
	}
	return names
}

// readRange returns the bytes of a range, and the error of Open or of reading.
func readRange(ctx context.Context, s storage.Store, key string, offset, length int64) ([]byte, error) {
	r, err := s.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

func diff(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func short(b []byte) string {
	if len(b) > 40 {
		return string(b[:40]) + "…"
	}
	return string(b)
}
