package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"
)

// maxLine is more than the longest line that Write makes.
const maxLine = 1 << 20

// ChainError says where a log is not what was written.
type ChainError struct {
	Seq    int64  // the first sequence number that is missing, changed or out of order
	File   string // segment and line where it shows
	Line   int
	Reason string
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("audit log is broken at sequence %d (%s, line %d): %s", e.Seq, e.File, e.Line, e.Reason)
}

// Summary is what a whole log holds.
type Summary struct {
	Events      int64
	First, Last time.Time
	Segments    int
	Head        Head
	Torn        int64 // bytes of a line that is being written, or that a crash cut: nobody was told that it was written
}

// Verify reads the whole log in dir and returns a *ChainError that names the first bad sequence number, or nil.
// It may run while the log is written.
func Verify(dir string) error {
	_, err := Inspect(dir)
	return err
}

// Inspect verifies as Verify does and says what the log holds. Of each known head, kept from earlier, it checks that the log still has that line.
func Inspect(dir string, known ...Head) (Summary, error) {
	var s Summary
	s.Head.Hash = noLine
	var prev line     // the line before
	var suspect *line // does not carry the hash of prev: either it was changed, or prev was; the line after it tells
	for ln, err := range lines(dir, &s) {
		if err != nil {
			return s, err
		}
		if suspect != nil {
			return s, blame(prev, *suspect, &ln)
		}
		if ln.record.Seq != s.Head.Seq+1 {
			return s, ln.bad(s.Head.Seq+1, fmt.Sprintf("found sequence %d instead", ln.record.Seq))
		}
		for _, h := range known {
			if h.Seq == ln.record.Seq && h.Hash != ln.hash {
				return s, ln.bad(h.Seq, "the line is not the one that was there before")
			}
		}
		if ln.record.Prev != s.Head.Hash {
			suspect = &ln
			continue
		}
		if s.Events == 0 {
			s.First = ln.record.Time
		}
		s.Events++
		s.Last = ln.record.Time
		s.Head = Head{Seq: ln.record.Seq, Hash: ln.hash}
		prev = ln
	}
	if suspect != nil {
		return s, blame(prev, *suspect, nil)
	}
	for _, h := range known {
		if h.Seq > s.Head.Seq {
			return s, &ChainError{Seq: s.Head.Seq + 1, File: prev.file, Line: prev.n + 1, Reason: fmt.Sprintf("the log ends here, but it once reached sequence %d", h.Seq)}
		}
	}
	return s, nil
}

// blame decides which of two lines was changed: if the line after b carries b's hash, b is as it was written, so a is not.
func blame(a, b line, after *line) error {
	if after != nil && after.record.Prev == b.hash && a.n > 0 {
		return a.bad(a.record.Seq, "the line was changed: the next one carries another hash of it")
	}
	return b.bad(b.record.Seq, "it does not carry the hash of the line before")
}

// Records returns the events of the log in dir in their order. It checks no chain. It ends at the first line that is no record, with a *ChainError.
func Records(dir string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var s Summary
		for ln, err := range lines(dir, &s) {
			if !yield(ln.record, err) || err != nil {
				return
			}
			s.Head.Seq = ln.record.Seq
		}
	}
}

// line is one line of the log as it was found.
type line struct {
	file   string
	n      int
	record Record
	hash   string
}

func (l line) bad(seq int64, reason string) error {
	return &ChainError{Seq: seq, File: l.file, Line: l.n, Reason: reason}
}

// lines yields the lines of all segments, in order, and counts segments and the bytes of a torn end in s. s.Head must be kept by the caller:
// it names the sequence number of a line that cannot be read.
func lines(dir string, s *Summary) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		days, err := segments(dir)
		if err != nil {
			yield(line{}, err)
			return
		}
		for i, day := range days {
			s.Segments++
			seg := segment{dir: dir, day: day}
			if !seg.lines(s, i == len(days)-1, yield) {
				return
			}
		}
	}
}

// lines yields the lines of one segment; false: the caller wants no more, or there was an error.
func (s *segment) lines(sum *Summary, last bool, yield func(line, error) bool) bool {
	f, err := os.Open(filepath.Join(s.dir, s.name()))
	if err != nil {
		yield(line{}, err)
		return false
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxLine)
	for n := 1; ; n++ {
		text, err := r.ReadSlice('\n')
		if err == io.EOF && len(text) == 0 {
			return true
		}
		ln := line{file: s.name(), n: n}
		switch {
		case err == io.EOF && last:
			sum.Torn = int64(len(text))
			return true
		case err == io.EOF:
			yield(ln, ln.bad(sum.Head.Seq+1, "the line has no end, and segments follow"))
			return false
		case errors.Is(err, bufio.ErrBufferFull):
			yield(ln, ln.bad(sum.Head.Seq+1, "the line is longer than any that was written"))
			return false
		case err != nil:
			yield(ln, fmt.Errorf("read %s: %w", s.name(), err))
			return false
		}
		text = bytes.TrimSuffix(text, []byte("\n"))
		ln.hash = hashLine(text)
		if ln.record, err = parseRecord(text); err != nil {
			yield(ln, ln.bad(sum.Head.Seq+1, err.Error()))
			return false
		}
		if !yield(ln, nil) {
			return false
		}
	}
}
