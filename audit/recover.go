package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// noLine stands for the hash of the line before the first.
var noLine = strings.Repeat("0", 64)

// torn describes what a crash left behind the last whole line.
type torn struct {
	file  string
	bytes int64
	hash  string // of the bytes that were cut off
	after int64  // sequence number of the last whole line
}

func (t *torn) event() Event {
	return Event{Type: LogRepaired, Outcome: OK, Detail: "the end that a crash had cut was taken off", Fields: map[string]any{
		"file": t.file, "bytes": t.bytes, "sha256": t.hash, "after": t.after,
	}}
}

// open takes the directory, finds the end of the chain and cuts off what a crash left behind it.
func (l *Log) open() (*torn, error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockDir(filepath.Join(l.dir, "audit.lock"))
	if err != nil {
		return nil, err
	}
	t, err := l.recover()
	if err != nil {
		lock.close()
		return nil, err
	}
	l.lock = lock
	return t, nil
}

func (l *Log) recover() (*torn, error) {
	days, err := segments(l.dir)
	if err != nil {
		return nil, err
	}
	l.seg = &segment{dir: l.dir, day: time.Now().UTC().Format(segmentDay), dirty: true}
	l.head = Head{Hash: noLine}
	var cut *torn
	for i := len(days) - 1; i >= 0; i-- {
		seg := &segment{dir: l.dir, day: days[i]}
		head, t, err := seg.recover()
		if err != nil {
			return nil, err
		}
		if t != nil {
			cut = t
		}
		if i == len(days)-1 {
			l.seg = seg
		}
		if head.Seq > 0 {
			l.head = head
			break
		}
	}
	if cut != nil {
		cut.after = l.head.Seq
	}
	return cut, nil
}

// recover finds the last whole line of the segment, sets its size and cuts the file there. The head is zero if there is no line.
func (s *segment) recover() (Head, *torn, error) {
	f, err := os.OpenFile(s.path(), os.O_RDWR, 0)
	if err != nil {
		return Head{}, nil, err
	}
	defer f.Close()
	last, end, rest, err := scanTail(f)
	if err != nil {
		return Head{}, nil, fmt.Errorf("read %s: %w", s.name(), err)
	}
	s.size = end
	var head Head
	if last != nil {
		r, err := parseRecord(last)
		if err != nil {
			return Head{}, nil, fmt.Errorf("%s: %w", s.name(), err)
		}
		head = Head{Seq: r.Seq, Hash: hashLine(last)}
	}
	if rest.n == 0 {
		return head, nil, nil
	}
	if !rest.torn {
		return Head{}, nil, fmt.Errorf("the end of %s is damaged, and not by a crash; move the folder aside to begin a new log, and keep it", s.name())
	}
	if err := f.Truncate(end); err != nil {
		return Head{}, nil, err
	}
	if err := f.Sync(); err != nil {
		return Head{}, nil, err
	}
	return head, &torn{file: s.name(), bytes: rest.n, hash: rest.hash}, nil
}

// tail is what stands behind the last line that can be read as a record.
type tail struct {
	n    int64
	hash string
	torn bool // it looks as a crash leaves it: no line end, or bytes of zero, which no line can hold
}

// scanTail returns the last line of r that is a record, where it ends, and what stands behind.
func scanTail(r io.ReadSeeker) (last []byte, end int64, rest tail, err error) {
	lines := bufio.NewReaderSize(r, 1<<20)
	for pos := int64(0); ; {
		line, err := lines.ReadBytes('\n')
		pos += int64(len(line))
		if err == nil && isRecord(line) {
			last, end = bytes.TrimSuffix(line, []byte("\n")), pos
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, tail{}, err
		}
	}
	if _, err := r.Seek(end, io.SeekStart); err != nil {
		return nil, 0, tail{}, err
	}
	sum := sha256.New()
	lines.Reset(io.TeeReader(r, sum))
	var before byte
	for {
		b, err := lines.ReadByte()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, tail{}, err
		}
		rest.n++
		rest.torn = rest.torn || b == 0
		before = b
	}
	rest.torn = rest.torn || before != '\n'
	rest.hash = hex.EncodeToString(sum.Sum(nil))
	return last, end, rest, nil
}

// isRecord is a quick look: the full check is parseRecord's, and Verify's.
func isRecord(line []byte) bool {
	return bytes.HasPrefix(line, []byte(`{"seq":`)) && bytes.HasSuffix(line, []byte("\"}\n")) && bytes.IndexByte(line, 0) < 0
}

// parseRecord reads one line without its end. Unknown names are errors: a line holds nothing that the chain's readers do not show.
func parseRecord(line []byte) (Record, error) {
	var r Record
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		return Record{}, errors.New("the line is not an audit record")
	}
	if d.InputOffset() != int64(len(line)) || r.Seq < 1 || len(r.Prev) != len(noLine) {
		return Record{}, errors.New("the line is not an audit record")
	}
	return r, nil
}
