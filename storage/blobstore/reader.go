package blobstore

import (
	"context"
	"fmt"
	"io"

	"gocloud.dev/blob"

	"sluice/storage"
)

// Open reads a range of an object; see storage.Store.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	switch {
	case !storage.ValidKey(key):
		return nil, storage.ErrInvalidKey
	case offset < 0:
		return nil, fmt.Errorf("negative offset %d", offset)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case length == 0:
		return s.nothing(ctx, key, offset)
	}
	r, err := s.bucket.NewRangeReader(ctx, key, offset, length, s.read)
	if err != nil {
		return s.outside(ctx, key, offset, length, err)
	}
	want := r.Size() - offset
	short := want < 0 || length > want
	if length >= 0 {
		want = min(length, want)
	}
	return &reader{ctx: ctx, s: s, r: r, left: max(want, 0), short: short}, nil
}

// outside tells a range that begins at or behind the end, which the clouds refuse, from other errors.
func (s *Store) outside(ctx context.Context, key string, offset, length int64, err error) (io.ReadCloser, error) {
	err = s.wrap(ctx, "open", err)
	a, aerr := s.bucket.Attributes(ctx, key)
	switch {
	case aerr != nil || offset < a.Size:
		return nil, err
	case offset == a.Size && length < 0:
		return io.NopCloser(&nothing{ctx}), nil
	}
	return nil, io.ErrUnexpectedEOF
}

// nothing is a range of no bytes: only whether it lies inside matters.
func (s *Store) nothing(ctx context.Context, key string, offset int64) (io.ReadCloser, error) {
	info, err := s.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	if offset > info.Size {
		return nil, io.ErrUnexpectedEOF
	}
	return io.NopCloser(&nothing{ctx}), nil
}

type nothing struct{ ctx context.Context }

func (n *nothing) Read([]byte) (int, error) {
	if err := n.ctx.Err(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// reader gives exactly the bytes of its range: a stream that ends early is no end.
type reader struct {
	ctx   context.Context // the reader lives as long as its Open's context, as the contract says
	s     *Store
	r     *blob.Reader
	left  int64
	short bool // the object ends before the range does
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		if r.short {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, io.EOF
	}
	n, err := r.r.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		return n, io.ErrUnexpectedEOF
	case err == io.EOF:
		return n, nil // the next call says how it ends
	case err != nil:
		return n, r.s.wrap(r.ctx, "read", err)
	}
	return n, nil
}

func (r *reader) Close() error { return r.r.Close() }
