package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"sluice/storage"
)

var (
	// ErrRange says that a range does not lie inside the file.
	ErrRange = errors.New("export: range outside the file")
	// ErrCorrupt says that an object in storage is not what a record says, or that a record is none.
	ErrCorrupt = errors.New("export: damaged object")

	errFileClosed = errors.New("export: file is closed")
)

// OpenFile reads length bytes from offset (length < 0: to the end) of a virtual file in gzip or identity coding.
//
// It opens the first object it needs, so that a missing one is known before anything was sent, and each further one when its turn
// comes; one is open at a time. It ends with io.EOF only after exactly the asked bytes: a missing, short or damaged object is an error.
// Parts that are read to their end are compared with their recorded sum before their last bytes are given out.
// The context governs the reader. Close may be called at any time, also twice or while a Read runs, for which it then waits.
func OpenFile(ctx context.Context, s storage.Store, f *File, gzip bool, offset, length int64) (io.ReadCloser, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	size := f.IdentitySize()
	if gzip {
		size = f.GzipSize()
	}
	if offset < 0 || offset > size || length > size-offset {
		return nil, ErrRange
	}
	if length < 0 {
		length = size - offset
	}
	r := &fileReader{ctx: ctx, s: s, f: f, gzip: gzip, left: length}
	r.seek(offset)
	if r.left > int64(len(r.literal)) {
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

type fileReader struct {
	ctx  context.Context // the reader lives as long as its OpenFile's context
	s    storage.Store
	f    *File
	gzip bool

	mu      sync.Mutex
	left    int64         // bytes still to give
	literal []byte        // bytes to give first: of the gzip's head or tail
	extent  int           // the extent that is open or comes next; len(f.Extents): only the tail is left
	skip    int64         // bytes of that extent before the range
	cur     io.ReadCloser // the open extent's bytes in the range, nil: none is open
	err     error         // why reading is over
}

// seek finds the place of offset; it opens nothing.
func (r *fileReader) seek(offset int64) {
	if r.gzip {
		if offset < headLen {
			r.literal = gzipHead[offset:headLen:headLen]
			return
		}
		offset -= headLen
	}
	for r.extent < len(r.f.Extents) && offset >= r.f.Extents[r.extent].size(r.gzip) {
		offset -= r.f.Extents[r.extent].size(r.gzip)
		r.extent++
	}
	r.skip = offset
}

// next opens the next extent that has bytes, or takes up the tail.
func (r *fileReader) next() error {
	for r.extent < len(r.f.Extents) && r.f.Extents[r.extent].size(r.gzip) == 0 {
		r.extent++
	}
	if r.extent == len(r.f.Extents) {
		tail := r.f.tail()
		r.literal, r.skip = append(r.literal, tail[r.skip:]...), 0 // behind the head of an empty file
		return nil
	}
	e := &r.f.Extents[r.extent]
	want := min(r.left-int64(len(r.literal)), e.size(r.gzip)-r.skip)
	open := openInflated
	if r.gzip {
		open = openStored
	}
	var err error
	if r.cur, err = open(r.ctx, r.s, e, r.skip, want); err != nil {
		return fmt.Errorf("open %s: %w", e.Key, err)
	}
	r.skip = 0
	return nil
}

func (r *fileReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p) == 0 {
		return 0, r.err
	}
	for r.err == nil {
		n, err := r.read(p)
		if err != nil {
			r.end(err)
		}
		if n > 0 {
			return n, nil // the error comes with the next call
		}
	}
	return 0, r.err
}

// read gives some bytes, or moves one step on, or returns why reading is over.
func (r *fileReader) read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.left)]
	if len(r.literal) > 0 {
		n := copy(p, r.literal)
		r.literal = r.literal[n:]
		r.left -= int64(n)
		return n, nil
	}
	if r.cur == nil {
		return 0, r.next()
	}
	n, err := r.cur.Read(p)
	r.left -= int64(n)
	switch {
	case err == io.EOF:
		r.cur.Close() // all that counts has been read
		r.cur = nil
		r.extent++
	case err != nil:
		return n, fmt.Errorf("read %s: %w", r.f.Extents[r.extent].Key, err)
	}
	return n, nil
}

func (r *fileReader) end(err error) {
	r.err = err
	if r.cur != nil {
		r.cur.Close()
		r.cur = nil
	}
}

// Close frees what is open. Reading on is an error.
func (r *fileReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(errFileClosed)
	return nil
}
