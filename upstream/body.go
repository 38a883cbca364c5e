package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// A compressed body may unpack to any size, but above bombFloor not to more than bombRatio times what came over the wire.
const (
	bombFloor = 10 << 20
	bombRatio = 100
)

var (
	errBomb     = errors.New("body unpacks to too much")
	errEncoding = errors.New("body has a content encoding that was not asked for")
	errTooLong  = errors.New("body is too long")
)

var (
	unpackers = sync.Pool{New: func() any { return new(gzip.Reader) }}
	buffers   = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}
)

// body reads the body of one answer: unpacked, watched, counted. It remembers the first error of reading, so that it can be told
// apart from what the reader of the body finds wrong.
type body struct {
	raw      io.ReadCloser
	watch    *watch
	counters *counters
	in, out  int64
	err      error

	r   io.Reader // raw, or what unpacks it
	buf *bufio.Reader
	gz  *gzip.Reader
}

func newBody(resp *http.Response, w *watch, n *counters) *body {
	b := &body{raw: resp.Body, watch: w, counters: n}
	b.r = (*wire)(b)
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "", "identity":
	case "gzip", "x-gzip":
		b.buf = buffers.Get().(*bufio.Reader)
		b.buf.Reset(b.r)
		b.r = (*unpacked)(b)
	default:
		b.err = errEncoding
	}
	return b
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.out += int64(n)
	if b.gz != nil && b.out > bombFloor && b.out/bombRatio > b.in {
		err = errBomb
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// readAll reads the whole body, up to limit bytes.
func (b *body) readAll(limit int64) ([]byte, error) {
	var buf bytes.Buffer
	n, err := buf.ReadFrom(io.LimitReader(b, limit+1))
	if err == nil && n > limit {
		err = errTooLong
	}
	return buf.Bytes(), err
}

// close gives everything back. A body that was read to its end leaves its connection in use, another one closes it.
func (b *body) close() {
	b.raw.Close()
	if b.gz != nil {
		unpackers.Put(b.gz)
	}
	if b.buf != nil {
		b.buf.Reset(nil)
		buffers.Put(b.buf)
	}
	b.gz, b.buf, b.r = nil, nil, nil
	if b.err == nil {
		b.err = errors.New("read after close")
	}
}

// wire reads what comes over the wire.
type wire body

func (w *wire) Read(p []byte) (int, error) {
	w.watch.begin()
	n, err := w.raw.Read(p)
	w.watch.end(n)
	w.in += int64(n)
	w.counters.bytes.Add(int64(n))
	return n, err
}

// unpacked reads the gzip stream in buf. The unpacker is made at the first read, since it reads the header.
type unpacked body

func (u *unpacked) Read(p []byte) (int, error) {
	if u.gz == nil {
		gz := unpackers.Get().(*gzip.Reader)
		if err := gz.Reset(u.buf); err != nil {
			unpackers.Put(gz)
			return 0, err // io.EOF for an empty body
		}
		u.gz = gz
	}
	return u.gz.Read(p)
}
