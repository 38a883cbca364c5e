package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Error is trouble with the store itself: it could not be asked, or did not answer. That an object is absent or exists is none.
type Error struct {
	Op  string // "create", "open", "stat", "list", "dirs", "delete"
	Err error
}

// Error names the operation.
func (e *Error) Error() string { return fmt.Sprintf("storage: %s: %v", e.Op, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

var errSlow = errors.New("no answer in time")

// Bound returns a store whose operations end: each fails when s has not answered for so long. Writing one object counts as one
// operation, so does reading one; a listing may take so long for each of its elements. Its errors are *Error, except for those that
// are an answer. Opening, looking, listing and deleting are tried again as Retry says; a write is not: whoever makes it knows what it
// would mean.
func Bound(s Store, each time.Duration) Store { return &bound{s, each} }

type bound struct {
	s    Store
	each time.Duration
}

var _ Store = (*bound)(nil)

func (b *bound) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, b.each, errSlow)
}

// trouble turns an error into an *Error unless it is an answer or the caller's own end.
func trouble(ctx, own context.Context, op string, err error) error {
	switch {
	case err == nil, answers(err), ctx.Err() != nil:
		return err
	case context.Cause(own) == errSlow:
		return &Error{op, errSlow}
	}
	return &Error{op, err}
}

func (b *bound) Create(ctx context.Context, key string, o CreateOptions) (Writer, error) {
	own, done := b.limit(ctx)
	w, err := b.s.Create(own, key, o)
	if err != nil {
		err = trouble(ctx, own, "create", err)
		done()
		return nil, err
	}
	return &boundWriter{w, ctx, own, done}, nil
}

type boundWriter struct {
	w        Writer
	ctx, own context.Context
	done     context.CancelFunc
}

func (w *boundWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	return n, trouble(w.ctx, w.own, "create", err)
}

func (w *boundWriter) Commit() (Info, error) {
	info, err := w.w.Commit()
	err = trouble(w.ctx, w.own, "create", err)
	w.done()
	return info, err
}

func (w *boundWriter) Abort() error {
	err := w.w.Abort()
	w.done()
	return err
}

func (b *bound) Open(ctx context.Context, key string, offset, length int64) (r io.ReadCloser, err error) {
	err = Retry(ctx, func() error { r, err = b.open(ctx, key, offset, length); return err })
	return r, err
}

func (b *bound) open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	own, done := b.limit(ctx)
	r, err := b.s.Open(own, key, offset, length)
	if err != nil {
		err = trouble(ctx, own, "open", err)
		done()
		return nil, err
	}
	return &boundReader{r, ctx, own, done}, nil
}

type boundReader struct {
	r        io.ReadCloser
	ctx, own context.Context
	done     context.CancelFunc
}

func (r *boundReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		err = trouble(r.ctx, r.own, "open", err)
	}
	return n, err
}

func (r *boundReader) Close() error {
	err := r.r.Close()
	r.done()
	return err
}

func (b *bound) Stat(ctx context.Context, key string) (info Info, err error) {
	err = Retry(ctx, func() error {
		own, done := b.limit(ctx)
		defer done()
		info, err = b.s.Stat(own, key)
		return trouble(ctx, own, "stat", err)
	})
	return info, err
}

func (b *bound) Delete(ctx context.Context, key string) error {
	return Retry(ctx, func() error {
		own, done := b.limit(ctx)
		defer done()
		return trouble(ctx, own, "delete", b.s.Delete(own, key))
	})
}

func (b *bound) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return again(ctx, func() iter.Seq2[Info, error] {
		return each(ctx, b.each, "list", func(own context.Context) iter.Seq2[Info, error] { return b.s.List(own, prefix) })
	}, func(i Info) string { return i.Key })
}

func (b *bound) Dirs(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return again(ctx, func() iter.Seq2[string, error] {
		return each(ctx, b.each, "dirs", func(own context.Context) iter.Seq2[string, error] { return b.s.Dirs(own, prefix) })
	}, func(dir string) string { return dir + "/" })
}

// again repeats a listing that broke off, and gives only what it has not given yet.
func again[T any](ctx context.Context, list func() iter.Seq2[T, error], name func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		given, enough := "", false // ascending: the last one says all
		err := Retry(ctx, func() error {
			for v, err := range list() {
				if err != nil {
					return err
				}
				if name(v) <= given {
					continue
				}
				given = name(v)
				if enough = !yield(v, nil); enough {
					return nil
				}
			}
			return nil
		})
		if err != nil && !enough {
			var none T
			yield(none, err)
		}
	}
}

// each bounds the wait for every element of a listing; what the consumer does in between does not count.
func each[T any](ctx context.Context, d time.Duration, op string, list func(context.Context) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		own, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		timer := time.AfterFunc(d, func() { cancel(errSlow) })
		defer timer.Stop()
		for v, err := range list(own) {
			timer.Stop()
			if !yield(v, trouble(ctx, own, op, err)) || err != nil {
				return
			}
			timer.Reset(d)
		}
	}
}
