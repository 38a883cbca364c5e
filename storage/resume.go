package storage

import (
	"context"
	"errors"
	"io"
	"time"
)

// resumes is how often reading an object goes on after it broke off, without so much progress in between.
const (
	resumes        = 4
	resumeProgress = 1 << 20
)

// Resume returns a store that is asked again when it did not answer, and whose readers go on where they broke off: objects never change.
// It is for stores on the other side of a network.
func Resume(s Store) Store { return resuming{s} }

type resuming struct{ Store }

func (s resuming) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	var r io.ReadCloser
	err := asked(ctx, func() (err error) { r, err = s.Store.Open(ctx, key, offset, length); return err })
	if err != nil {
		return nil, err
	}
	return &resumer{ctx: ctx, s: s.Store, key: key, r: r, at: offset, left: length, tries: resumes}, nil
}

func (s resuming) Stat(ctx context.Context, key string) (info Info, err error) {
	err = asked(ctx, func() (err error) { info, err = s.Store.Stat(ctx, key); return err })
	return info, err
}

// asked asks until there is an answer, a few times.
func asked(ctx context.Context, ask func() error) error {
	for try := 1; ; try++ {
		err := ask()
		if err == nil || answers(err) || errors.Is(err, io.ErrUnexpectedEOF) || ctx.Err() != nil || try == resumes {
			return err
		}
		select {
		case <-time.After(time.Duration(try) * 100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type resumer struct {
	ctx  context.Context // the reader lives as long as its Open's context, as the contract says
	s    Store
	key  string
	r    io.ReadCloser
	at   int64 // of the next byte
	left int64 // below 0: to the end

	tries    int
	progress int64 // since it last broke off
}

func (r *resumer) Read(p []byte) (int, error) {
	for {
		n, err := r.r.Read(p)
		r.at += int64(n)
		if r.left >= 0 {
			r.left -= int64(n)
		}
		if r.progress += int64(n); r.progress >= resumeProgress {
			r.tries = resumes
		}
		if err == nil || err == io.EOF || r.ctx.Err() != nil {
			return n, err
		}
		if again := r.again(err); again != nil || n > 0 {
			return n, again
		}
	}
}

// again opens the rest, or returns why that is no use.
func (r *resumer) again(why error) error {
	r.r.Close()
	r.progress = 0
	for ; r.tries > 0; r.tries-- {
		rest, err := r.s.Open(r.ctx, r.key, r.at, r.left)
		switch {
		case err == nil:
			r.r, r.tries = rest, r.tries-1
			return nil
		case errors.Is(err, ErrNotExist), errors.Is(err, io.ErrUnexpectedEOF): // it is shorter than it should be, or gone
			return err
		}
		select {
		case <-time.After(time.Duration(resumes-r.tries+1) * 100 * time.Millisecond):
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
	return why
}

func (r *resumer) Close() error { return r.r.Close() }
