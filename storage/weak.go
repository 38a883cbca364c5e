package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// Weak makes create-if-absent for a store that has none: first decides, at another place, which of several ids may write a key, and
// remembers that for a while (FirstFor). It is weaker than a store that decides by itself: when that place forgets and a writer stands
// still between being chosen and writing, two may win.
func Weak(s Store, first func(ctx context.Context, key, id string) (bool, error)) Store {
	return &weak{s, first}
}

// FirstFor is how long a choice must be remembered. A writer that was chosen and died leaves its key free after it; one that lives has
// half of it to write.
const FirstFor = 20 * time.Second

type weak struct {
	Store
	first func(ctx context.Context, key, id string) (bool, error)
}

func (w *weak) Create(ctx context.Context, key string, o CreateOptions) (Writer, error) {
	if !o.IfAbsent {
		return w.Store.Create(ctx, key, o)
	}
	o.IfAbsent = false
	ctx, stop := context.WithCancelCause(ctx)
	in, err := w.Store.Create(ctx, key, o)
	if err != nil {
		stop(nil)
		return nil, err
	}
	return &weakWriter{Writer: in, w: w, ctx: ctx, stop: stop, key: key}, nil
}

type weakWriter struct {
	Writer
	w    *weak
	ctx  context.Context // the writer lives as long as its Create's context, as the contract says
	stop context.CancelCauseFunc
	key  string
	lost error
}

func (w *weakWriter) Abort() error {
	defer w.stop(nil)
	return w.Writer.Abort()
}

func (w *weakWriter) Commit() (Info, error) {
	if w.lost != nil {
		return Info{}, w.lost
	}
	if err := w.choose(); err != nil {
		w.lost = err
		_ = w.Abort()
		return Info{}, err
	}
	late := time.AfterFunc(FirstFor/2, func() { w.stop(errSlow) })
	defer late.Stop()
	info, err := w.Writer.Commit()
	if err != nil && context.Cause(w.ctx) == errSlow {
		err = &Error{"create", errSlow}
	}
	return info, err
}

// choose returns nil for the writer that may write, ErrExist when the object is there.
func (w *weakWriter) choose() error {
	if err := w.absent(); err != nil {
		return err
	}
	mine, err := w.w.first(w.ctx, w.key, rand.Text())
	if err != nil {
		return err
	}
	for wait := 20 * time.Millisecond; !mine && wait < 10*time.Second; wait *= 2 {
		if err := w.absent(); err != nil {
			return err
		}
		select {
		case <-time.After(wait): // the one that was chosen is writing
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
	if !mine {
		return &Error{"create", errors.New("another writer was chosen and has not written")}
	}
	return w.absent()
}

// absent returns nil when there is no object, ErrExist when there is one.
func (w *weakWriter) absent() error {
	_, err := w.w.Stat(w.ctx, w.key)
	switch {
	case err == nil:
		return ErrExist
	case errors.Is(err, ErrNotExist):
		return nil
	}
	return err
}
