package export

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"

	"sluice/storage"
)

// openStored reads n bytes of an extent's deflate blocks, from skip. It gives exactly these or an error.
func openStored(ctx context.Context, s storage.Store, e *Extent, skip, n int64) (io.ReadCloser, error) {
	src, err := s.Open(ctx, e.Key, headLen+skip, n)
	if err != nil {
		return nil, err
	}
	r := &storedReader{src: src, e: e, left: n}
	if n == e.size(true) {
		r.sum = sha256.New()
		r.sum.Write(gzipHead[:])
	}
	return r, nil
}

type storedReader struct {
	src  io.ReadCloser
	e    *Extent
	left int64
	sum  hash.Hash // of the object; nil: only a piece of it is read
}

func (r *storedReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if r.sum != nil {
		r.sum.Write(p[:n])
	}
	switch {
	case r.left == 0:
		return r.finish(n)
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// finish holds the last n bytes back when the object is not the one that was written. Its head and tail need not be read for that:
// they follow from the record.
func (r *storedReader) finish(n int) (int, error) {
	if r.sum == nil {
		return n, nil
	}
	tail := gzipTail(r.e.CRC32, r.e.Raw)
	r.sum.Write(tail[:])
	if hex.EncodeToString(r.sum.Sum(nil)) != r.e.SHA256 {
		return 0, ErrCorrupt
	}
	return n, nil
}

func (r *storedReader) Close() error { return r.src.Close() }

// openInflated reads n bytes of an extent's lines, from skip. It gives exactly these or an error.
func openInflated(ctx context.Context, s storage.Store, e *Extent, skip, n int64) (io.ReadCloser, error) {
	object, err := s.Open(ctx, e.Key, headLen, e.PayloadEnd-headLen)
	if err != nil {
		return nil, err
	}
	src := &source{ReadCloser: object}
	return &inflatedReader{src: src, inf: newInflater(src), e: e, skip: skip, left: n}, nil
}

type inflatedReader struct {
	src        *source
	inf        *inflater // nil after Close
	e          *Extent
	skip, left int64
	raw        int64 // bytes inflated so far
	crc        uint32
}

func (r *inflatedReader) Read(p []byte) (int, error) {
	for r.skip > 0 {
		n, err := r.inflate(r.inf.scratch[:min(int64(len(r.inf.scratch)), r.skip)])
		if err != nil {
			return 0, err
		}
		r.skip -= int64(n)
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.inflate(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// inflate gives the next bytes of the extent. With the last ones, it first checks that nothing follows and that the sum is right.
func (r *inflatedReader) inflate(p []byte) (int, error) {
	n, err := r.inf.Read(p)
	r.raw += int64(n)
	r.crc = crc32.Update(r.crc, crc32.IEEETable, p[:n])
	if err == nil && r.raw == r.e.Raw {
		_, err = io.ReadFull(r.inf, r.inf.scratch[:1])
		if err == nil {
			return 0, ErrCorrupt // more lines than recorded
		}
	}
	switch {
	case err == nil:
		return n, nil
	case r.src.err != nil:
		return 0, r.src.err
	case err == io.EOF && r.raw == r.e.Raw && r.crc == r.e.CRC32:
		return n, nil
	}
	return 0, ErrCorrupt
}

func (r *inflatedReader) Close() error {
	if r.inf != nil {
		r.inf.free()
		r.inf = nil
	}
	return r.src.Close()
}

// inflater reads the deflate blocks of an extent, ended by an empty final block.
type inflater struct {
	io.Reader
	buf     *bufio.Reader
	scratch [16 << 10]byte
}

var inflaters = sync.Pool{New: func() any {
	buf := bufio.NewReaderSize(nil, 32<<10)
	return &inflater{Reader: flate.NewReader(buf), buf: buf}
}}

func newInflater(payload io.Reader) *inflater {
	i := inflaters.Get().(*inflater)
	i.reset(io.MultiReader(payload, strings.NewReader("\x03\x00")))
	return i
}

func (i *inflater) reset(r io.Reader) {
	i.buf.Reset(r)
	i.Reader.(flate.Resetter).Reset(i.buf, nil) // returns nil always
}

func (i *inflater) free() {
	i.reset(strings.NewReader("")) // hold on to nobody's object
	inflaters.Put(i)
}

// source remembers what the store failed with: all other errors of inflating are damage.
type source struct {
	io.ReadCloser
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != io.EOF {
		s.err = err
	}
	return n, err
}
