package storage_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"sluice/storage"
	"sluice/storage/memstore"
	"sluice/storage/storagetest"
)

func TestResumeIsAStore(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return storage.Resume(memstore.New()) })
}

// breaksOff is a store whose readers break off after so many bytes.
type breaksOff struct {
	storage.Store
	after int64
	times int // readers that do
	opens int
}

var errBroken = errors.New("connection reset")

func (b *breaksOff) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := b.Store.Open(ctx, key, offset, length)
	b.opens++
	if err != nil || b.opens > b.times {
		return r, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, b.after), broken{}), r}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// A reader goes on where it broke off, a few times; what it gives is the object or an error.
func TestResume(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 100)
	mem := memstore.New()
	if err := storage.Put(t.Context(), mem, "a", body, storage.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		times          int
		offset, length int64
		fails          bool
	}{
		{0, 0, -1, false}, {1, 0, -1, false}, {4, 0, -1, false}, {5, 0, -1, true},
		{3, 17, 500, false}, {3, 990, -1, false},
	} {
		b := &breaksOff{Store: mem, after: 101, times: tc.times}
		r, err := storage.Resume(b).Open(t.Context(), "a", tc.offset, tc.length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		want := body[tc.offset:]
		if tc.length >= 0 {
			want = want[:tc.length]
		}
		if tc.fails != errors.Is(err, errBroken) || !tc.fails && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%+v: %d bytes, %v, in %d opens", tc, len(got), err, b.opens)
		}
		r.Close()
	}
}

// What did not answer is asked again, four times in all; what answered is not.
func TestResumeAsksAgain(t *testing.T) {
	for failures, want := range map[int]error{0: storage.ErrNotExist, 3: storage.ErrNotExist, 4: errBroken} {
		mem, asked := memstore.New(), 0
		mem.Hook = func(string, string) error {
			if asked++; asked <= failures {
				return errBroken
			}
			return nil
		}
		s := storage.Resume(mem)
		_, stat := s.Stat(t.Context(), "a")
		first := asked
		asked = 0
		_, open := s.Open(t.Context(), "a", 0, -1)
		if !errors.Is(stat, want) || !errors.Is(open, want) || first != asked || asked != min(failures+1, 4) {
			t.Errorf("%d failures: %v and %v in %d and %d calls, want %v", failures, stat, open, first, asked, want)
		}
	}
}

// An error of the network that wraps io.EOF is trouble, and not the end of anything.
func TestBoundTriesAgainAfterALostConnection(t *testing.T) {
	mem, left := memstore.New(), 2
	mem.Hook = func(op, _ string) error {
		if op == "stat" && left > 0 {
			left--
			return errors.Join(errors.New("request failed"), io.EOF)
		}
		return nil
	}
	if _, err := storage.Bound(mem, 1<<40).Stat(t.Context(), "a"); !errors.Is(err, storage.ErrNotExist) || left > 0 {
		t.Errorf("%v with %d failures left, want the answer of the third try", err, left)
	}
}
