package fhir

import (
	"bytes"
	"fmt"
	"io"
)

const (
	bufferSize = 128 << 10
	// maxNesting bounds what a scanner remembers of open brackets: one bit each.
	maxNesting = 1 << 20
)

// scanner reads JSON as a stream by its structure: brackets, quotes, colons and commas. What is inside the values it passes over is
// not checked. Its methods return io.EOF when the stream ends where it should not.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int   // what is read and not used is buf[pos:end]
	off      int64 // of buf[0] in the stream
	err      error // of r, due when buf is used up

	keep  *span // takes what is passed over, from buf[from] on; nil: nobody wants it
	from  int
	stack []uint64 // kinds of the open brackets, one bit each
}

// span collects bytes up to a limit. What grows over it is let go, and only over stays.
type span struct {
	b    []byte
	max  int64
	over bool
}

func (k *span) add(b []byte) {
	switch {
	case k.over:
	case int64(len(k.b)+len(b)) > k.max:
		k.b, k.over = k.b[:0], true
	default:
		k.b = append(k.b, b...)
	}
}

// fill reads more, once buf is used up.
func (s *scanner) fill() error {
	if s.keep != nil {
		s.keep.add(s.buf[s.from:s.end])
		s.from = 0
	}
	s.off += int64(s.end)
	s.pos, s.end = 0, 0
	for range 100 {
		if s.err != nil {
			return s.err
		}
		s.end, s.err = s.r.Read(s.buf)
		if s.end > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// fail returns a syntax error at the place reached.
func (s *scanner) fail(reason string) error {
	return &SyntaxError{Offset: s.off + int64(s.pos), Reason: reason}
}

// peek passes over white space and returns the byte after it.
func (s *scanner) peek() (byte, error) {
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\r', '\n':
				s.pos++
			default:
				return c, nil
			}
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

// expect passes over white space and the byte c.
func (s *scanner) expect(c byte) error {
	got, err := s.peek()
	if err != nil {
		return err
	}
	if got != c {
		return s.fail(fmt.Sprintf("expected %q", c))
	}
	s.pos++
	return nil
}

// more reports whether the object or array that close ends has another member or element, and passes over the comma before it,
// or over close. first says that none came before.
func (s *scanner) more(close byte, first bool) (bool, error) {
	c, err := s.peek()
	switch {
	case err != nil:
		return false, err
	case c == close:
		s.pos++
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, s.fail(fmt.Sprintf("expected ',' or %q", close))
	}
	s.pos++
	if c, err = s.peek(); err == nil && c == close {
		err = s.fail("expected another value after ','")
	}
	return err == nil, err
}

// value passes over the value that comes next and appends it to keep, unless that is nil.
func (s *scanner) value(keep *span) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if keep != nil {
		s.keep, s.from = keep, s.pos
	}
	switch c {
	case '"':
		err = s.text()
	case '{', '[':
		err = s.nested()
	default:
		err = s.literal()
	}
	if keep != nil {
		s.keep = nil
		keep.add(s.buf[s.from:s.pos])
	}
	return err
}

// text passes over a string; the next byte is its opening quote.
func (s *scanner) text() error {
	s.pos++
	escaped := false // what was read ends in an odd number of backslashes
	for {
		if s.pos == s.end {
			if err := s.fill(); err != nil {
				return err
			}
		}
		b := s.buf[s.pos:s.end]
		i := bytes.IndexByte(b, '"')
		before := b
		if i >= 0 {
			before = b[:i]
		}
		odd := oddBackslashes(before)
		if escaped && len(bytes.TrimRight(before, `\`)) == 0 {
			odd = !odd
		}
		if i < 0 {
			s.pos, escaped = s.end, odd
			continue
		}
		s.pos += i + 1
		if !odd {
			return nil
		}
		escaped = false
	}
}

// Classes of bytes between strings.
const (
	plain byte = iota
	quote
	open
	shut
	alien
)

var classes = func() (c [256]byte) {
	for i := range c {
		c[i] = alien
	}
	for _, b := range []byte(" \t\r\n,:+-.0123456789abcdefghijklmnopqrstuvwxyzE") {
		c[b] = plain
	}
	c['"'], c['{'], c['['], c['}'], c[']'] = quote, open, open, shut, shut
	return c
}()

// nested passes over an object or array; the next byte is its opening bracket.
func (s *scanner) nested() error {
	depth := 0
	for {
		if s.pos == s.end {
			if err := s.fill(); err != nil {
				return err
			}
		}
		b, i := s.buf[s.pos:s.end], 0
		for i < len(b) && classes[b[i]] == plain {
			i++
		}
		s.pos += i
		if i == len(b) {
			continue
		}
		switch c := b[i]; classes[c] {
		case quote:
			if err := s.text(); err != nil {
				return err
			}
		case open:
			if depth == maxNesting {
				return s.fail("nested too deep")
			}
			s.push(depth, c == '{')
			depth++
			s.pos++
		case shut:
			depth--
			if s.object(depth) != (c == '}') {
				return s.fail("brackets do not match")
			}
			s.pos++
			if depth == 0 {
				return nil
			}
		default:
			return s.fail("unexpected byte")
		}
	}
}

// push remembers whether the bracket opened at depth is an object's.
func (s *scanner) push(depth int, object bool) {
	if depth/64 == len(s.stack) {
		s.stack = append(s.stack, 0)
	}
	bit := uint64(1) << (depth % 64)
	if object {
		s.stack[depth/64] |= bit
	} else {
		s.stack[depth/64] &^= bit
	}
}

func (s *scanner) object(depth int) bool {
	return s.stack[depth/64]&(1<<(depth%64)) != 0
}

// literal passes over a number, true, false or null: letters and digits up to what ends them.
func (s *scanner) literal() error {
	for n := 0; ; n++ {
		if s.pos == s.end {
			if err := s.fill(); err != nil {
				return err
			}
		}
		switch c := s.buf[s.pos]; c {
		case ' ', '\t', '\r', '\n', ',', ':', '}', ']':
			if n == 0 || c == ':' {
				return s.fail("expected a value")
			}
			return nil
		default:
			if classes[c] != plain {
				return s.fail("unexpected byte")
			}
			s.pos++
		}
	}
}
