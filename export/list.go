package export

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"sluice/storage"
)

// maxLine bounds one line of a list: the largest resource and some air.
const maxLine = 80 << 20

// ListWriter writes one list of a plan: gzip of lines. It belongs to one goroutine. One of Commit and Abort must be called;
// `defer w.Abort()` is always right.
type ListWriter struct {
	key string
	w   storage.Writer
	gz  *PartWriter
}

// NewListWriter begins the list under key by a plain write: it counts only once a plan names it.
func NewListWriter(ctx context.Context, s storage.Store, key string) (*ListWriter, error) {
	w, err := s.Create(ctx, key, storage.CreateOptions{ContentType: "application/gzip"})
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", key, err)
	}
	return &ListWriter{key: key, w: w, gz: NewPartWriter(w)}, nil
}

// Line adds one line, given without its "\n".
func (l *ListWriter) Line(line []byte) error {
	if _, err := l.gz.Write(line); err != nil {
		return fmt.Errorf("write %s: %w", l.key, err)
	}
	if _, err := l.gz.Write(newline); err != nil {
		return fmt.Errorf("write %s: %w", l.key, err)
	}
	return nil
}

// Lines returns the number of lines so far.
func (l *ListWriter) Lines() int { return int(l.gz.Lines()) }

// Commit makes the list readable and describes it for the plan.
func (l *ListWriter) Commit() (PlanPart, error) {
	stat, err := l.gz.Close()
	if err != nil {
		return PlanPart{}, fmt.Errorf("write %s: %w", l.key, err)
	}
	if _, err := l.w.Commit(); err != nil {
		return PlanPart{}, fmt.Errorf("commit %s: %w", l.key, err)
	}
	return PlanPart{Key: l.key, Lines: int(stat.Lines)}, nil
}

// Abort drops the list; after Commit it does nothing.
func (l *ListWriter) Abort() error { return l.w.Abort() }

// ReadList calls fn with each line of a list, or of a part, without its "\n". The line is valid until fn returns. An error of fn ends
// the reading and is returned as it is. On any other error, lines may have been given, but the list is not whole.
func ReadList(ctx context.Context, s storage.Store, key string, fn func(line []byte) error) error {
	src, err := s.Open(ctx, key, 0, -1)
	if err != nil {
		return fmt.Errorf("open %s: %w", key, err)
	}
	defer src.Close()
	l := lineReaders.Get().(*lineReader)
	defer l.free()
	if err := l.reset(src); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	for {
		line, err := l.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		if err := fn(line); err != nil {
			return err
		}
	}
}

// lineReader gives the lines of a gzip.
type lineReader struct {
	src  *bufio.Reader
	gz   gzip.Reader
	raw  *bufio.Reader
	long []byte // a line that does not fit into raw
}

var lineReaders = sync.Pool{New: func() any {
	return &lineReader{src: bufio.NewReaderSize(nil, 32<<10), raw: bufio.NewReaderSize(nil, 64<<10)}
}}

func (l *lineReader) reset(src io.Reader) error {
	l.src.Reset(src)
	l.raw.Reset(&l.gz)
	if err := l.gz.Reset(l.src); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // an empty object is no gzip
		}
		return err
	}
	return nil
}

func (l *lineReader) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		piece, err := l.raw.ReadSlice('\n')
		if err == nil && len(l.long) == 0 {
			return piece[:len(piece)-1], nil
		}
		l.long = append(l.long, piece...)
		switch {
		case err == nil:
			return l.long[:len(l.long)-1], nil
		case err == bufio.ErrBufferFull && len(l.long) <= maxLine:
		case err == bufio.ErrBufferFull:
			return nil, storage.ErrTooLarge
		case err == io.EOF && len(l.long) > 0:
			return nil, ErrCorrupt // half a line
		default:
			return nil, err
		}
	}
}

func (l *lineReader) free() {
	l.src.Reset(strings.NewReader(""))
	if cap(l.long) > 1<<20 {
		l.long = nil
	}
	lineReaders.Put(l)
}
