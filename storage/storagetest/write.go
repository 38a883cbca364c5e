package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sluice/storage"
)

func create(t *testing.T, s storage.Store, key string, o storage.CreateOptions) storage.Writer {
	t.Helper()
	w, err := s.Create(t.Context(), key, o)
	if err != nil {
		t.Fatalf("Create(%s): %v", key, err)
	}
	return w
}

func write(t *testing.T, w io.Writer, body string) {
	t.Helper()
	if n, err := io.WriteString(w, body); n != len(body) || err != nil {
		t.Fatalf("Write: %d, %v; want %d", n, err, len(body))
	}
}

func testInvisible(t *testing.T, s storage.Store) {
	for _, ifAbsent := range []bool{false, true} {
		key := fmt.Sprintf("a/b/%t", ifAbsent)
		w := create(t, s, key, storage.CreateOptions{IfAbsent: ifAbsent})
		wantAbsent(t, s, key)
		write(t, w, "some")
		wantAbsent(t, s, key)
		if got := dirs(t, s, key[:2]); !ifAbsent && len(got) > 0 {
			t.Errorf("Dirs before Commit: %q, want nothing", got)
		}
		write(t, w, "thing")
		wantAbsent(t, s, key)
		if _, err := w.Commit(); err != nil {
			t.Fatalf("Commit: %v", err)
		}
		want(t, s, key, "something")
	}
	diff(t, "List", list(t, s, ""), []string{"a/b/false", "a/b/true"})
}

func testCommit(t *testing.T, s storage.Store) {
	before := time.Now().Add(-time.Minute) // clocks of stores differ
	w := create(t, s, "a/b", storage.CreateOptions{ContentType: "application/json", ContentEncoding: "gzip"})
	write(t, w, "12345")
	got, err := w.Commit()
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	stat, err := s.Stat(t.Context(), "a/b")
	if err != nil {
		t.Fatalf("Stat: %v", err)
	}
	for what, i := range map[string]storage.Info{"Commit": got, "Stat": stat} {
		if i.Key != "a/b" || i.Size != 5 || i.ModTime.Before(before) || i.ModTime.After(time.Now().Add(time.Minute)) {
			t.Errorf("%s gives %+v, want key a/b, size 5, time now", what, i)
		}
	}
}

func testFirstCallWins(t *testing.T, s storage.Store) {
	w := create(t, s, "a", storage.CreateOptions{})
	write(t, w, "a")
	first, err := w.Commit()
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	second, err := w.Commit()
	if err != nil || first != second {
		t.Errorf("second Commit: %v, %v; want %v", second, err, first)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort after Commit: %v", err)
	}
	want(t, s, "a", "a")
	if _, err := w.Write([]byte("b")); err == nil {
		t.Error("Write after Commit: no error")
	}
	want(t, s, "a", "a")

	w = create(t, s, "b", storage.CreateOptions{})
	write(t, w, "b")
	for range 2 {
		if err := w.Abort(); err != nil {
			t.Errorf("Abort: %v", err)
		}
	}
	if _, err := w.Commit(); err == nil {
		t.Error("Commit after Abort: no error")
	}
	if _, err := w.Write([]byte("b")); err == nil {
		t.Error("Write after Abort: no error")
	}
	wantAbsent(t, s, "b")

	w = create(t, s, "a", storage.CreateOptions{IfAbsent: true})
	for range 2 {
		if _, err := w.Commit(); !errors.Is(err, storage.ErrExist) {
			t.Errorf("Commit on an object: error %v, want ErrExist", err)
		}
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort after a lost Commit: %v", err)
	}
	want(t, s, "a", "a")
}

func testAbort(t *testing.T, s storage.Store) {
	put(t, s, "a/old", "old")
	for _, key := range []string{"a/old", "a/new", "b/c/new"} {
		for _, ifAbsent := range []bool{false, true} {
			w := create(t, s, key, storage.CreateOptions{IfAbsent: ifAbsent})
			write(t, w, "other")
			if err := w.Abort(); err != nil {
				t.Errorf("Abort(%s): %v", key, err)
			}
		}
	}
	want(t, s, "a/old", "old")
	diff(t, "List", list(t, s, ""), []string{"a/old"})
}

func testCancelled(t *testing.T, s storage.Store) {
	for _, ifAbsent := range []bool{false, true} {
		for _, commit := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			w, err := s.Create(ctx, "a/b", storage.CreateOptions{IfAbsent: ifAbsent})
			if err != nil {
				t.Fatalf("Create: %v", err)
			}
			write(t, w, "some")
			cancel()
			if commit {
				if _, err := w.Commit(); err == nil {
					t.Error("Commit after the context has ended: no error")
				}
			}
			if err := w.Abort(); err != nil {
				t.Errorf("Abort: %v", err)
			}
			wantAbsent(t, s, "a/b")
		}
	}
	if err := storage.PutIfAbsent(t.Context(), s, "a/b", []byte("x"), ""); err != nil {
		t.Errorf("the key is not free after Abort: %v", err)
	}
}

func testEndedContext(t *testing.T, s storage.Store) {
	put(t, s, "a/b", "body")
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Open(ctx, "a/b", 0, -1)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	cancel()
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", what, err)
		}
	}
	_, err = r.Read(make([]byte, 1))
	check("Read", err)
	_, err = s.Open(ctx, "a/b", 0, -1)
	check("Open", err)
	_, err = s.Stat(ctx, "a/b")
	check("Stat", err)
	check("Delete", s.Delete(ctx, "a/b"))
	check("Put", storage.Put(ctx, s, "a/c", nil, storage.CreateOptions{}))
	for _, err := range s.List(ctx, "") {
		check("List", err)
	}
	for _, err := range s.Dirs(ctx, "") {
		check("Dirs", err)
	}
	diff(t, "List", list(t, s, ""), []string{"a/b"})
}

func testReplace(t *testing.T, s storage.Store) {
	for _, body := range []string{"first", "second, longer", "3"} {
		put(t, s, "a/b", body)
		want(t, s, "a/b", body)
	}
	w := create(t, s, "a/b", storage.CreateOptions{})
	write(t, w, "fourth")
	want(t, s, "a/b", "3")
	w.Abort()
	want(t, s, "a/b", "3")
}

func testIfAbsent(t *testing.T, s storage.Store) {
	if err := storage.PutIfAbsent(t.Context(), s, "a/b", []byte("first"), ""); err != nil {
		t.Fatalf("PutIfAbsent: %v", err)
	}
	if err := storage.PutIfAbsent(t.Context(), s, "a/b", []byte("second"), ""); !errors.Is(err, storage.ErrExist) {
		t.Errorf("second PutIfAbsent: error %v, want ErrExist", err)
	}
	want(t, s, "a/b", "first")
	put(t, s, "a/c", "plain")
	if err := storage.PutIfAbsent(t.Context(), s, "a/c", []byte("second"), ""); !errors.Is(err, storage.ErrExist) {
		t.Errorf("PutIfAbsent after Put: error %v, want ErrExist", err)
	}
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if err := storage.PutIfAbsent(t.Context(), s, "a/b", []byte("third"), ""); err != nil {
		t.Errorf("PutIfAbsent after Delete: %v", err)
	}
	want(t, s, "a/b", "third")
}

// testRace lets many writers commit at once, in a directory that is not there yet.
func testRace(t *testing.T, s storage.Store) {
	const rounds, writers = 50, 32
	for round := range rounds {
		key := fmt.Sprintf("race/%02d/record", round)
		var wg sync.WaitGroup
		start := make(chan struct{})
		errs := make([]error, writers)
		for i := range writers {
			wg.Go(func() {
				w, err := s.Create(t.Context(), key, storage.CreateOptions{IfAbsent: true})
				if err != nil {
					errs[i] = err
					<-start
					return
				}
				defer w.Abort()
				_, err = w.Write(raceBody(i))
				<-start
				if err == nil {
					_, err = w.Commit()
				}
				errs[i] = err
				if errors.Is(err, storage.ErrExist) { // the winner's object is there for the loser at once
					if _, err := s.Stat(t.Context(), key); err != nil {
						t.Errorf("Stat after ErrExist: %v", err)
					}
				}
			})
		}
		close(start)
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("round %d: writers %d and %d both won", round, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, storage.ErrExist):
				t.Fatalf("round %d: writer %d: error %v, want ErrExist", round, i, err)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		want(t, s, key, string(raceBody(winner)))
	}
	if got := len(list(t, s, "race/")); got != rounds {
		t.Errorf("%d objects, want %d", got, rounds)
	}
}

func raceBody(i int) []byte { return bytes.Repeat([]byte{byte('A' + i)}, 1000+i) }

func testSizes(t *testing.T, s storage.Store) {
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 20 << 20} {
		body := make([]byte, size)
		random.Read(body)
		key := fmt.Sprintf("size/%d", size)
		w := create(t, s, key, storage.CreateOptions{IfAbsent: true})
		for rest := body; len(rest) > 0; { // uneven pieces
			n := min(len(rest), 1+rand.IntN(3<<20))
			write(t, w, string(rest[:n]))
			rest = rest[n:]
		}
		got, err := w.Commit()
		if err != nil || got.Size != int64(size) {
			t.Fatalf("Commit of %d bytes: %+v, %v", size, got, err)
		}
		want(t, s, key, string(body))
	}
}
