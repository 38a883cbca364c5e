package storage

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Watch returns a store that tells failed the operation ("create", "open", "stat", "list", "dirs", "delete") of each call of s that
// failed, answers like ErrNotExist and the caller's own end aside. failed may be called from many goroutines.
func Watch(s Store, failed func(op string)) Store { return &watched{s, failed} }

type watched struct {
	s      Store
	failed func(op string)
}

var _ Store = (*watched)(nil)

// seen passes err on.
func (w *watched) seen(ctx context.Context, op string, err error) error {
	if err != nil && ctx.Err() == nil && !answers(err) {
		w.failed(op)
	}
	return err
}

// answers tells errors that are the answer to a question from trouble.
func answers(err error) bool {
	for _, answer := range []error{ErrNotExist, ErrExist, ErrInvalidKey, ErrTooLarge, ErrClosed} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

func (w *watched) Create(ctx context.Context, key string, o CreateOptions) (Writer, error) {
	in, err := w.s.Create(ctx, key, o)
	if err != nil {
		return nil, w.seen(ctx, "create", err)
	}
	return &watchedWriter{Writer: in, w: w, ctx: ctx}, nil
}

type watchedWriter struct {
	Writer
	w    *watched
	ctx  context.Context
	told bool
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	return n, w.seen(err)
}

func (w *watchedWriter) Commit() (Info, error) {
	info, err := w.Writer.Commit()
	return info, w.seen(err)
}

// seen tells of the first error of a writer only: the others follow from it.
func (w *watchedWriter) seen(err error) error {
	if err != nil && !w.told {
		w.told = true
		return w.w.seen(w.ctx, "create", err)
	}
	return err
}

func (w *watched) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	in, err := w.s.Open(ctx, key, offset, length)
	if err != nil {
		return nil, w.seen(ctx, "open", err)
	}
	return &watchedReader{in, w, ctx}, nil
}

type watchedReader struct {
	io.ReadCloser
	w   *watched
	ctx context.Context
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == io.EOF {
		return n, err
	}
	return n, r.w.seen(r.ctx, "open", err)
}

func (w *watched) Stat(ctx context.Context, key string) (Info, error) {
	info, err := w.s.Stat(ctx, key)
	return info, w.seen(ctx, "stat", err)
}

func (w *watched) Delete(ctx context.Context, key string) error {
	return w.seen(ctx, "delete", w.s.Delete(ctx, key))
}

func (w *watched) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for info, err := range w.s.List(ctx, prefix) {
			if !yield(info, w.seen(ctx, "list", err)) {
				return
			}
		}
	}
}

func (w *watched) Dirs(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for dir, err := range w.s.Dirs(ctx, prefix) {
			if !yield(dir, w.seen(ctx, "dirs", err)) {
				return
			}
		}
	}
}
