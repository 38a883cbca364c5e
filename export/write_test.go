package export_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/export"
	"sluice/storage"
	"sluice/storage/memstore"
)

func commitBy(attempt string) *export.Commit {
	return &export.Commit{Format: export.Format, Attempt: attempt, Chunk: export.PlanChunk(1), Seq: 1}
}

func TestWriteOnce(t *testing.T) {
	errLost := errors.New("answer lost")
	failing := func(op string) func(s *memstore.Store) {
		return func(s *memstore.Store) {
			s.Hook = func(o, _ string) error {
				if o == op {
					return errLost
				}
				return nil
			}
		}
	}
	for _, tc := range []struct {
		name   string
		before string // attempt whose record is there already
		faults func(s *memstore.Store)
		want   error
		winner string // attempt whose record is there afterwards
	}{
		{"first", "", nil, nil, "mine"},
		{"second", "other", nil, storage.ErrExist, "other"},
		{"same again", "mine", nil, storage.ErrExist, "mine"}, // who was told once must not win twice
		{"the answer is lost, the record is there", "", failing("committed"), nil, "mine"},
		{"the write fails", "", failing("commit"), errLost, ""},
		{"the write fails, another's is there", "longer-name-than-mine", failing("commit"), storage.ErrExist, "longer-name-than-mine"},
		{"the write fails, a shorter one is there", "o", failing("commit"), storage.ErrExist, "o"},
		{"the store is away", "", failing("create"), errLost, ""},
		{"nobody can tell", "", func(s *memstore.Store) {
			s.Hook = func(op, _ string) error {
				if op == "committed" || op == "open" {
					return errLost
				}
				return nil
			}
		}, errLost, "mine"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, key := memstore.New(), export.CommitKey("j1", export.PlanChunk(1), 1)
			if tc.before != "" {
				if err := export.WriteOnce(t.Context(), s, key, commitBy(tc.before)); err != nil {
					t.Fatal(err)
				}
			}
			if tc.faults != nil {
				tc.faults(s)
			}
			if err := export.WriteOnce(t.Context(), s, key, commitBy("mine")); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			s.Hook = nil
			got, err := export.ReadCommit(t.Context(), s, key)
			switch {
			case tc.winner == "" && !errors.Is(err, storage.ErrNotExist):
				t.Errorf("record %v, %v; want none", got, err)
			case tc.winner != "" && (err != nil || got.Attempt != tc.winner):
				t.Errorf("record %v, %v; want that of %s", got, err, tc.winner)
			}
		})
	}
}

// The deadline passes after the record is there and before the answer: the look that settles it needs a context of its own.
func TestWriteOnceSettlesAfterTheDeadline(t *testing.T) {
	s, key := memstore.New(), export.CommitKey("j1", export.PlanChunk(1), 1)
	ctx, cancel := context.WithCancel(t.Context())
	s.Hook = func(op, _ string) error {
		if op == "committed" {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	if err := export.WriteOnce(ctx, s, key, commitBy("mine")); err != nil {
		t.Errorf("WriteOnce: %v", err)
	}
}

func TestWriteOnceRefusesOtherFormats(t *testing.T) {
	s := memstore.New()
	for _, record := range []any{&export.Spec{}, export.Plan{Format: 9}, &export.Commit{}, &export.Manifest{Format: -1}, export.File{}} {
		if err := export.WriteOnce(t.Context(), s, "a/b", record); !errors.Is(err, export.ErrFormat) {
			t.Errorf("%T: error %v, want ErrFormat", record, err)
		}
	}
	if _, err := s.Stat(t.Context(), "a/b"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Stat: %v, want ErrNotExist", err)
	}
}

func TestLoadOrCreateGivesAllTheSame(t *testing.T) {
	for round := range 20 {
		s, key := memstore.New(), export.SystemRoot+"key"
		var wg sync.WaitGroup
		got := make([]string, 32)
		for i := range got {
			wg.Go(func() {
				body, err := export.LoadOrCreate(t.Context(), s, key, func() ([]byte, error) { return fmt.Append(nil, i), nil })
				if err != nil {
					t.Errorf("LoadOrCreate: %v", err)
				}
				got[i] = string(body)
			})
		}
		wg.Wait()
		for _, body := range got {
			if body != got[0] || body == "" {
				t.Fatalf("round %d: %q", round, got)
			}
		}
	}
}

func TestLoadOrCreateErrors(t *testing.T) {
	errMake, errStore := errors.New("no entropy"), errors.New("away")
	s, key := memstore.New(), export.SystemRoot+"key"
	load := func() (string, error) {
		body, err := export.LoadOrCreate(t.Context(), s, key, func() ([]byte, error) { return []byte("mine"), nil })
		return string(body), err
	}
	if _, err := export.LoadOrCreate(t.Context(), s, key, func() ([]byte, error) { return nil, errMake }); !errors.Is(err, errMake) {
		t.Errorf("error %v, want that of the maker", err)
	}
	s.Hook = func(string, string) error { return errStore }
	if _, err := load(); !errors.Is(err, errStore) {
		t.Errorf("error %v, want that of the store", err)
	}
	s.Hook = func(op, _ string) error {
		if op == "commit" {
			return errStore
		}
		return nil
	}
	if _, err := load(); !errors.Is(err, errStore) || errors.Is(err, storage.ErrNotExist) {
		t.Errorf("error %v, want that of the write", err)
	}
	s.Hook = func(op, _ string) error {
		if op == "committed" {
			return errStore
		}
		return nil
	}
	if got, err := load(); got != "mine" || err != nil {
		t.Errorf("after a lost answer: %q, %v; want what is there", got, err)
	}
}

func TestJTIKey(t *testing.T) {
	base := export.JTIKey("client", "jti", noon)
	if again := export.JTIKey("client", "jti", noon.Add(time.Second)); again != base {
		t.Errorf("%s and %s within one minute", base, again)
	}
	for name, other := range map[string]string{
		"client": export.JTIKey("client2", "jti", noon), "jti": export.JTIKey("client", "jti2", noon), "border": export.JTIKey("clientj", "ti", noon),
		"minute": export.JTIKey("client", "jti", noon.Add(time.Minute)),
	} {
		if other == base {
			t.Errorf("another %s has the same key", name)
		}
	}
	for _, key := range []string{base, export.JTIKey("", "", time.Time{}), export.JTIKey("../x", strings.Repeat("/", 5000), noon)} {
		if !storage.ValidKey(key) || !strings.HasPrefix(key, "system/jti/") {
			t.Errorf("%q is no key below system/jti/", key)
		}
	}
	if strings.Contains(base, "client") {
		t.Errorf("%s names the client", base)
	}
}

func TestClaimOnce(t *testing.T) {
	s, key := memstore.New(), export.JTIKey("client", "jti", noon)
	var wg sync.WaitGroup
	var won atomic.Int64
	for range 100 {
		wg.Go(func() {
			ok, err := export.ClaimOnce(t.Context(), s, key, []byte("same"))
			if err != nil {
				t.Errorf("ClaimOnce: %v", err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d claims won, want 1", won.Load())
	}
	for _, op := range []string{"create", "commit", "committed"} {
		s := memstore.New()
		s.Hook = func(o, _ string) error {
			if o == op {
				return errors.New("away")
			}
			return nil
		}
		if ok, err := export.ClaimOnce(t.Context(), s, key, []byte("same")); ok || err == nil {
			t.Errorf("store fails at %s: %t, %v; want an error", op, ok, err)
		}
	}
}

func TestSweepJTIs(t *testing.T) {
	s := memstore.New()
	claim := func(jti string, exp time.Time) string {
		key := export.JTIKey("client", jti, exp)
		if ok, err := export.ClaimOnce(t.Context(), s, key, nil); !ok || err != nil {
			t.Fatalf("ClaimOnce: %t, %v", ok, err)
		}
		return key
	}
	gone := []string{claim("a", noon.Add(-48*time.Hour)), claim("b", noon.Add(-time.Hour)), claim("c", noon.Add(-time.Hour))}
	kept := []string{claim("d", noon.Add(-time.Minute)), claim("e", noon), claim("f", noon.Add(5*time.Minute)), "system/jti/other/x", "system/key"}
	for _, key := range kept[3:] {
		if err := storage.Put(t.Context(), s, key, nil, storage.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := export.SweepJTIs(t.Context(), s, noon); err != nil {
			t.Fatalf("SweepJTIs: %v", err)
		}
	}
	for _, key := range gone {
		if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("%s: %v, want it gone", key, err)
		}
	}
	for _, key := range kept {
		if _, err := s.Stat(t.Context(), key); err != nil {
			t.Errorf("%s: %v, want it kept", key, err)
		}
	}
	s.Hook = func(op, _ string) error {
		if op == "dirs" {
			return errors.New("away")
		}
		return nil
	}
	if err := export.SweepJTIs(t.Context(), s, noon); err == nil {
		t.Error("store away: no error")
	}
}
