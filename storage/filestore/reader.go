package filestore

import (
	"context"
	"fmt"
	"io"
	"os"

	"sluice/storage"
)

// Open reads a range of an object; see storage.Store.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if !validKey(key) {
		return nil, storage.ErrInvalidKey
	}
	if offset < 0 {
		return nil, fmt.Errorf("negative offset %d", offset)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(key))
	if err != nil {
		return nil, absent(err)
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
	case !fi.Mode().IsRegular():
		err = storage.ErrNotExist
	case offset > fi.Size():
		err = io.ErrUnexpectedEOF
	case offset > 0:
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if length < 0 {
		length = fi.Size() - offset
	}
	return &reader{ctx: ctx, f: f, left: length}, nil
}

// reader gives exactly left bytes or an error.
type reader struct {
	ctx  context.Context // the reader lives as long as its Open's context, as the contract says
	f    *os.File
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.f.Read(p)
	r.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *reader) Close() error { return r.f.Close() }
