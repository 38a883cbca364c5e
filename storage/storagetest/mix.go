package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"sluice/storage"
)

func testDelete(t *testing.T, s storage.Store) {
	put(t, s, "a/b/c", "1")
	put(t, s, "a/b/d", "2")
	for range 2 { // the second finds nothing, which is no error
		if err := s.Delete(t.Context(), "a/b/c"); err != nil {
			t.Errorf("Delete: %v", err)
		}
		wantAbsent(t, s, "a/b/c")
	}
	want(t, s, "a/b/d", "2")
	if err := s.Delete(t.Context(), "a/b/d"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if got := dirs(t, s, ""); len(got) > 0 {
		t.Errorf("Dirs of an emptied store: %q", got)
	}
	put(t, s, "a/b/c", "3")
	want(t, s, "a/b/c", "3")
	if err := s.Delete(t.Context(), "a/b/c"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	put(t, s, "a", "what was a directory") // nothing is left of it
	want(t, s, "a", "what was a directory")
}

func testInvalidKeys(t *testing.T, s storage.Store) {
	long := strings.Repeat("x", 256)
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "a/./b", "a b", "a\\b", "a:b", "ä", "a\x00", "a\n",
		"a%2fb", "*", "~", long, "a/" + long, strings.Repeat("abcdefg/", 128) + "a"} {
		t.Run(fmt.Sprintf("%.20q", key), func(t *testing.T) {
			check := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, storage.ErrInvalidKey) {
					t.Errorf("%s: error %v, want ErrInvalidKey", what, err)
				}
			}
			if storage.ValidKey(key) {
				t.Error("ValidKey: true")
			}
			_, err := s.Create(t.Context(), key, storage.CreateOptions{})
			check("Create", err)
			_, err = s.Open(t.Context(), key, 0, -1)
			check("Open", err)
			_, err = s.Stat(t.Context(), key)
			check("Stat", err)
			check("Delete", s.Delete(t.Context(), key))
		})
	}
	for _, key := range []string{"a", "a.b-c_D/0", "a/.hidden", "a/...", "a/b..c", long[1:]} {
		put(t, s, key, "x")
		want(t, s, key, "x")
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%.20s): %v", key, err)
		}
	}
}

// testMix lets many goroutines write, read, list and delete a few keys in directories that come and go. No call may fail for the
// others' sake, and no object may ever be seen in part.
func testMix(t *testing.T, s storage.Store) {
	const workers, steps = 16, 120
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			for range steps {
				key := fmt.Sprintf("mix/%d/%d/%d", random.IntN(2), random.IntN(2), random.IntN(2))
				if err := mixStep(t, s, random.IntN(6), key, mixBody(random)); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
	wg.Wait()
	for _, key := range list(t, s, "mix/") {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%s): %v", key, err)
		}
	}
	if got := dirs(t, s, ""); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

func mixStep(t *testing.T, s storage.Store, op int, key string, body []byte) error {
	switch op {
	case 0:
		return storage.Put(t.Context(), s, key, body, storage.CreateOptions{})
	case 1:
		if err := storage.PutIfAbsent(t.Context(), s, key, body, ""); !errors.Is(err, storage.ErrExist) {
			return err
		}
	case 2:
		return s.Delete(t.Context(), key)
	case 3:
		r, err := s.Open(t.Context(), key, 0, -1)
		if errors.Is(err, storage.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return checkMixBody(got)
	case 4:
		last := ""
		for info, err := range s.List(t.Context(), "mix/") {
			if err != nil {
				return err
			}
			if info.Key <= last {
				return fmt.Errorf("list gives %s after %s", info.Key, last)
			}
			last = info.Key
		}
	case 5:
		for _, err := range s.Dirs(t.Context(), "mix/") {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// mixBody has one letter, as often as its first bytes say.
func mixBody(random *rand.Rand) []byte {
	n := random.IntN(5000)
	return fmt.Appendf(nil, "%04d%s", n, bytes.Repeat([]byte{byte('a' + n%26)}, n))
}

func checkMixBody(body []byte) error {
	var n int
	if _, err := fmt.Sscanf(string(body[:min(4, len(body))]), "%04d", &n); err != nil || len(body) != n+4 {
		return fmt.Errorf("object of %d bytes is not whole: %v", len(body), err)
	}
	if bytes.Count(body, []byte{byte('a' + n%26)}) != n {
		return errors.New("object holds another's bytes")
	}
	return nil
}
