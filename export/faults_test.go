package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"sluice/export"
	"sluice/storage"
	"sluice/storage/memstore"
)

func replace(t testing.TB, s storage.Store, key string, change func([]byte) []byte) {
	t.Helper()
	body, err := storage.ReadAll(context.Background(), s, key, 1<<30)
	if err == nil {
		err = storage.Put(context.Background(), s, key, change(slices.Clone(body)), storage.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedObjectIsAnError(t *testing.T) {
	errStore := errors.New("the store is away")
	parts := [][]byte{observations(100), observations(200), observations(50)}
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, s *memstore.Store, key string)
		want   error
	}{
		{"missing", func(t *testing.T, s *memstore.Store, key string) { s.Delete(t.Context(), key) }, storage.ErrNotExist},
		{"empty", func(t *testing.T, s *memstore.Store, key string) {
			replace(t, s, key, func([]byte) []byte { return nil })
		}, io.ErrUnexpectedEOF},
		{"shorter than the payload", func(t *testing.T, s *memstore.Store, key string) {
			replace(t, s, key, func(b []byte) []byte { return b[:len(b)-11] })
		}, io.ErrUnexpectedEOF},
		{"half", func(t *testing.T, s *memstore.Store, key string) {
			replace(t, s, key, func(b []byte) []byte { return b[:len(b)/2] })
		}, io.ErrUnexpectedEOF},
		{"one byte is another", func(t *testing.T, s *memstore.Store, key string) {
			replace(t, s, key, func(b []byte) []byte { b[len(b)/2] ^= 0x55; return b })
		}, export.ErrCorrupt},
		{"zeros at the end, as a crash leaves them", func(t *testing.T, s *memstore.Store, key string) {
			replace(t, s, key, func(b []byte) []byte { clear(b[len(b)*2/3:]); return b })
		}, export.ErrCorrupt},
		{"another part's bytes", func(t *testing.T, s *memstore.Store, key string) {
			other, _ := writePart(t, observations(300))
			replace(t, s, key, func([]byte) []byte { return other })
		}, export.ErrCorrupt},
		{"as many other lines", func(t *testing.T, s *memstore.Store, key string) {
			replace(t, s, key, func(b []byte) []byte {
				other, _ := writePart(t, bytes.ReplaceAll(gunzipOne(t, b), []byte("final"), []byte("other")))
				return append(other, make([]byte, max(0, len(b)-len(other)))...)
			})
		}, nil},
		{"the store fails at once", func(t *testing.T, s *memstore.Store, key string) {
			s.Hook = func(op, k string) error {
				if op == "open" && k == key {
					return errStore
				}
				return nil
			}
		}, errStore},
		{"the store fails in the middle", func(t *testing.T, s *memstore.Store, key string) {
			var reads atomic.Int64
			s.Hook = func(op, k string) error {
				if op == "read" && k == key && reads.Add(1) > 1 {
					return errStore
				}
				return nil
			}
		}, errStore},
	} {
		for _, gzip := range []bool{false, true} {
			for victim := range parts {
				t.Run(fmt.Sprintf("%s, gzip %t, part %d", tc.name, gzip, victim), func(t *testing.T) {
					s := memstore.New()
					f := putFile(t, s, parts...)
					tc.damage(t, s, f.Extents[victim].Key)
					got, err := readFile(smallReads{s}, f, gzip, 0, -1)
					if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
						t.Errorf("error %v, want %v", err, tc.want)
					}
					if int64(len(got)) >= sizeOf(f, gzip) {
						t.Error("all bytes were given out before the error")
					}
					if err != nil && strings.Contains(err.Error(), "mg/dL") {
						t.Errorf("the error shows what it read: %v", err)
					}
				})
			}
		}
	}
}

// smallReads gives few bytes at a time, as a network does.
type smallReads struct{ storage.Store }

func (s smallReads) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.Store.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{readerFunc(func(p []byte) (int, error) { return r.Read(p[:min(len(p), 1000)]) }), r}, nil
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A backend that breaks its promise and ends early without an error must not end a download cleanly either.
func TestStoreThatEndsEarly(t *testing.T) {
	s := memstore.New()
	f := putFile(t, s, observations(100), observations(100))
	for _, gzip := range []bool{false, true} {
		if got, err := readFile(endsEarly{s}, f, gzip, 0, -1); err == nil || int64(len(got)) >= sizeOf(f, gzip) {
			t.Errorf("gzip %t: %d bytes, error %v; want an error", gzip, len(got), err)
		}
	}
}

type endsEarly struct{ storage.Store }

func (s endsEarly) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return s.Store.Open(ctx, key, offset, length/2)
}

// Any bits flipped in any part: the right bytes (deflate has a few bits without meaning) or an error, never other bytes to the end.
func TestFlippedBitsNeverPass(t *testing.T) {
	parts := [][]byte{observations(30), observations(40)}
	rapid.Check(t, func(rt *rapid.T) {
		s := memstore.New()
		f := putFile(t, s, parts...)
		e := f.Extents[rapid.IntRange(0, 1).Draw(rt, "part")]
		replace(t, s, e.Key, func(b []byte) []byte {
			for range rapid.IntRange(1, 4).Draw(rt, "flips") {
				at := rapid.IntRange(10, int(e.PayloadEnd)-1).Draw(rt, "at")
				b[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "bits"))
			}
			return b
		})
		plain, err := readFile(s, f, false, 0, -1)
		if err == nil && !bytes.Equal(plain, bytes.Join(parts, nil)) {
			rt.Error("identity: other bytes and no error")
		}
		if err != nil && int64(len(plain)) >= f.IdentitySize() {
			rt.Error("identity: all bytes were given out before the error")
		}
		zipped, err := readFile(s, f, true, 0, -1)
		if err != nil && int64(len(zipped)) >= f.GzipSize() {
			rt.Error("gzip: all bytes were given out before the error")
		}
		if err == nil && !bytes.Equal(gunzipOne(t, zipped), bytes.Join(parts, nil)) {
			rt.Error("gzip: other bytes and no error")
		}
	})
}

func TestImpossibleExtentTableIsRefused(t *testing.T) {
	s := memstore.New()
	for name, change := range map[string]func(e *export.Extent){
		"negative length":        func(e *export.Extent) { e.Raw = -1 },
		"payload before header":  func(e *export.Extent) { e.PayloadEnd, e.Stored = 9, 19 },
		"payload and size apart": func(e *export.Extent) { e.Stored++ },
		"payload without end":    func(e *export.Extent) { e.PayloadEnd, e.Stored = 1<<63-1, 1<<63-1 },
		"sum of payloads":        func(e *export.Extent) { e.PayloadEnd, e.Stored = 1<<63-11, 1<<63-1 },
		"sum of lengths":         func(e *export.Extent) { e.Raw = 1<<63 - 1 },
	} {
		f := putFile(t, s, []byte("{}\n"), []byte("{}\n"))
		change(&f.Extents[1])
		for _, gzip := range []bool{false, true} {
			if _, err := export.OpenFile(t.Context(), s, f, gzip, 0, -1); !errors.Is(err, export.ErrCorrupt) {
				t.Errorf("%s: error %v, want ErrCorrupt", name, err)
			}
		}
	}
}

// counted tells how many objects are and were open.
type counted struct {
	storage.Store
	now, most, all atomic.Int64
}

func (c *counted) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := c.Store.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	c.all.Add(1)
	c.most.Store(max(c.most.Load(), c.now.Add(1)))
	return struct {
		io.Reader
		io.Closer
	}{r, closerFunc(func() error { c.now.Add(-1); return r.Close() })}, nil
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

func TestOnlyNeededObjectsAreOpenedOneAtATime(t *testing.T) {
	parts := [][]byte{observations(10), observations(20), nil, observations(30), observations(40)}
	s := memstore.New()
	f := putFile(t, s, parts...)
	n := func(i int) int64 { return int64(len(parts[i])) }
	for _, tc := range []struct {
		name           string
		gzip           bool
		offset, length int64
		want           int64
	}{
		{"whole identity", false, 0, -1, 4}, // a part without lines is not asked for
		{"whole gzip", true, 0, -1, 5},
		{"second part", false, n(0), n(1), 1},
		{"across a border", false, n(0) - 1, 2, 2},
		{"last byte", false, f.IdentitySize() - 1, 1, 1},
		{"nothing", false, 5, 0, 0},
		{"the end", false, f.IdentitySize(), -1, 0},
		{"gzip head", true, 0, 10, 0},
		{"gzip head and one byte", true, 0, 11, 1},
		{"gzip tail", true, f.GzipSize() - 10, -1, 0},
		{"the last of the gzip tail", true, f.GzipSize() - 1, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &counted{Store: s}
			if _, err := readFile(c, f, tc.gzip, tc.offset, tc.length); err != nil {
				t.Fatal(err)
			}
			if got := c.all.Load(); got != tc.want {
				t.Errorf("%d objects opened, want %d", got, tc.want)
			}
			if c.most.Load() > 1 || c.now.Load() != 0 {
				t.Errorf("%d open at once, %d left open", c.most.Load(), c.now.Load())
			}
		})
	}
}

func TestMissingFirstObjectIsKnownAtOnce(t *testing.T) {
	s := memstore.New()
	f := putFile(t, s, nil, observations(10))
	for _, gzip := range []bool{false, true} {
		for i := range f.Extents {
			if err := s.Delete(t.Context(), f.Extents[i].Key); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := export.OpenFile(t.Context(), s, f, gzip, 0, -1); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("gzip %t: error %v, want ErrNotExist", gzip, err)
		}
	}
}

func TestCloseAtAnyTime(t *testing.T) {
	for _, gzip := range []bool{false, true} {
		for _, before := range []int64{0, 1, 5000, 1 << 40} {
			c := &counted{Store: memstore.New()}
			f := putFile(t, c, observations(100), observations(100))
			r, err := export.OpenFile(t.Context(), c, f, gzip, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			io.CopyN(io.Discard, r, before)
			for range 2 {
				if err := r.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
			if n := c.now.Load(); n != 0 {
				t.Errorf("%d objects are open after Close", n)
			}
			if n, err := r.Read(make([]byte, 10)); n > 0 || err == nil || err == io.EOF {
				t.Errorf("Read after Close: %d, %v; want an error", n, err)
			}
		}
	}
}

func TestCloseWhileReading(t *testing.T) {
	s := memstore.New()
	f := putFile(t, s, observations(2000), observations(2000))
	for _, gzip := range []bool{false, true} {
		r, err := export.OpenFile(t.Context(), s, f, gzip, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		begun := make(chan struct{})
		done := make(chan error)
		go func() {
			buf := make([]byte, 100)
			_, err := r.Read(buf)
			close(begun)
			for err == nil {
				_, err = r.Read(buf)
			}
			done <- err
		}()
		<-begun
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-done
	}
}

func TestEndedContextEndsTheDownload(t *testing.T) {
	c := &counted{Store: memstore.New()}
	f := putFile(t, c, observations(2000), observations(2000))
	for _, gzip := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := export.OpenFile(ctx, c, f, gzip, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, 100); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
			t.Errorf("gzip %t: error %v, want context.Canceled", gzip, err)
		}
		r.Close()
		if n := c.now.Load(); n != 0 {
			t.Errorf("%d objects are open after Close", n)
		}
	}
}
