package fhir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
)

const (
	maxName    = 256      // bytes of a member's name; longer ones are unknown anyway
	maxWord    = 4 << 10  // bytes of a code
	maxFullURL = 64 << 10 // bytes of a fullUrl
	maxLinks   = 1 << 20  // bytes of all links of a Bundle
	maxOutcome = 1 << 20  // bytes of the issues of an OperationOutcome
)

// BundleOptions bounds what a BundleReader accepts.
type BundleOptions struct {
	MaxResource int64 // bytes of one resource; default 64 MiB
	MaxEntries  int   // entries of one Bundle; default 10,000
}

// ErrTooManyEntries is returned by Next when a Bundle has more entries than BundleOptions allow.
var ErrTooManyEntries = errors.New("bundle has too many entries")

// BundleReader reads one Bundle as a stream. It holds one entry at a time, whatever the size of the Bundle: a resource above
// MaxResource is passed over while reading and reported in its entry. It checks the Bundle's own frame; what a resource says is
// checked by AppendLine. A BundleReader is for one goroutine.
type BundleReader struct {
	s        scanner
	o        BundleOptions
	bundle   Bundle
	typ      string // resourceType, "" until known
	place    place
	first    bool // nothing came before in the object or array we are in
	entries  int
	links    int64 // bytes
	resource span
	word     span
	issues   span // of an OperationOutcome in place of a Bundle
	err      error
}

// place is where a BundleReader stands between two calls of Next.
type place int

const (
	atStart   place = iota
	inBundle        // before a member of the Bundle, or its end
	inEntries       // before an element of entry, or its end
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// NewBundleReader returns a reader of the Bundle in r. It reads from r only when Next is called and never closes it.
func NewBundleReader(r io.Reader, o BundleOptions) *BundleReader {
	if o.MaxResource <= 0 {
		o.MaxResource = 64 << 20
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = 10_000
	}
	return &BundleReader{s: scanner{r: r}, o: o}
}

// Bundle returns what the Bundle says besides its entries. It is complete after Next returned io.EOF, since link and total may
// stand after the entries.
func (b *BundleReader) Bundle() Bundle { return b.bundle }

// Next returns the next entry. After a complete, well-formed Bundle the error is io.EOF; only then is the page whole, and r read to
// its end. A body that ends early gives io.ErrUnexpectedEOF, a broken one *SyntaxError, one that is something else *NotBundleError,
// as soon as that is seen; errors of the underlying reader come as they are. After an error Next returns the same error again.
func (b *BundleReader) Next() (Entry, error) {
	if b.err != nil {
		return Entry{}, b.err
	}
	if b.s.buf == nil {
		buf := buffers.Get().(*[bufferSize]byte)
		b.s.buf = buf[:]
	}
	e, done, err := b.next()
	switch {
	case err == nil && !done:
		return e, nil
	case done:
		b.err = io.EOF
	case err == io.EOF:
		b.err = io.ErrUnexpectedEOF
	default:
		b.err = err
	}
	buffers.Put((*[bufferSize]byte)(b.s.buf))
	b.s.buf, b.resource.b = nil, nil
	return Entry{}, b.err
}

// next goes on to the next entry, or to the end of the Bundle, where done is true.
func (b *BundleReader) next() (e Entry, done bool, err error) {
	if b.place == atStart {
		if err := b.start(); err != nil {
			return Entry{}, false, err
		}
		b.place, b.first = inBundle, true
	}
	for {
		closing := byte('}')
		if b.place == inEntries {
			closing = ']'
		}
		more, err := b.s.more(closing, b.first)
		b.first = false
		switch {
		case err != nil:
			return Entry{}, false, err
		case more && b.place == inEntries:
			e, err := b.entry()
			return e, false, err
		case more:
			if err := b.member(); err != nil {
				return Entry{}, false, err
			}
		case b.place == inEntries:
			b.place = inBundle
		default:
			err := b.finish()
			return Entry{}, err == nil, err
		}
	}
}

// start passes over the opening brace, and a byte order mark before it.
func (b *BundleReader) start() error {
	c, err := b.s.peek()
	if err == nil && c == 0xEF {
		for _, mark := range []byte("\xEF\xBB\xBF") {
			if c, err = b.s.peek(); err != nil {
				return err
			}
			if c != mark {
				return &NotBundleError{}
			}
			b.s.pos++
		}
		c, err = b.s.peek()
	}
	switch {
	case err != nil:
		return err
	case c != '{':
		return &NotBundleError{}
	}
	b.s.pos++
	return nil
}

// finish judges what was read once the closing brace is passed.
func (b *BundleReader) finish() error {
	switch _, err := b.s.peek(); err {
	case io.EOF:
	case nil:
		return b.s.fail("something follows the Bundle")
	default:
		return err
	}
	switch b.typ {
	case "Bundle":
		return nil
	case "OperationOutcome":
		o := &OperationOutcome{ResourceType: b.typ}
		// Elements of the wrong kind are left out; the body says enough by being one.
		_ = json.Unmarshal(b.issues.b, &o.Issue)
		return &NotBundleError{ResourceType: b.typ, Outcome: o}
	}
	return &NotBundleError{ResourceType: b.typ}
}

// member reads one member of the Bundle; of entry only its opening bracket.
func (b *BundleReader) member() error {
	name, err := b.name()
	if err != nil {
		return err
	}
	switch name {
	case "resourceType":
		if b.typ, err = b.string(maxWord); err != nil {
			return err
		}
		if b.typ != "Bundle" && b.typ != "OperationOutcome" {
			return &NotBundleError{ResourceType: b.typ}
		}
		return nil
	case "type":
		b.bundle.Type, err = b.string(maxWord)
		return err
	case "total":
		return b.total()
	case "link":
		return b.array(b.link)
	case "issue":
		if b.typ == "Bundle" {
			return b.s.value(nil)
		}
		b.issues = span{max: maxOutcome}
		return b.s.value(&b.issues)
	case "entry":
		found, err := b.opens('[')
		if found {
			b.place, b.first = inEntries, true
		}
		return err
	}
	return b.s.value(nil)
}

// entry reads one element of entry.
func (b *BundleReader) entry() (e Entry, err error) {
	if b.entries++; b.entries > b.o.MaxEntries {
		return Entry{}, ErrTooManyEntries
	}
	b.resource = span{b: b.resource.b[:0], max: b.o.MaxResource}
	seen := false
	err = b.object(func(name string) (err error) {
		switch name {
		case "fullUrl":
			e.FullURL, err = b.string(maxFullURL)
		case "search":
			err = b.optional(func(name string) (err error) {
				if name != "mode" {
					return b.s.value(nil)
				}
				e.Mode, err = b.string(maxWord)
				return err
			})
		case "resource":
			if seen {
				return b.s.fail("an entry with two resources")
			}
			seen, err = true, b.s.value(&b.resource)
		default:
			err = b.s.value(nil)
		}
		return err
	})
	switch {
	case err != nil:
		return Entry{}, err
	case b.resource.over:
		e.Err = &ResourceError{Reason: fmt.Sprintf("larger than %d bytes", b.o.MaxResource)}
	case seen && string(b.resource.b) != "null":
		e.Resource = b.resource.b
	}
	return e, nil
}

// link reads one element of link.
func (b *BundleReader) link() error {
	var l Link
	err := b.object(func(name string) (err error) {
		switch name {
		case "relation":
			l.Relation, err = b.string(maxLinks)
		case "url":
			l.URL, err = b.string(maxLinks)
		default:
			err = b.s.value(nil)
		}
		return err
	})
	if err != nil {
		return err
	}
	if b.links += int64(len(l.Relation) + len(l.URL) + 64); b.links > maxLinks {
		return b.s.fail("links are too long")
	}
	b.bundle.Links = append(b.bundle.Links, l)
	return nil
}

// total reads the total; what is no whole number counts as none.
func (b *BundleReader) total() error {
	b.word = span{b: b.word.b[:0], max: maxWord}
	if err := b.s.value(&b.word); err != nil {
		return err
	}
	if !b.word.over && !json.Valid(b.word.b) {
		return b.s.fail("total is broken")
	}
	n, err := strconv.ParseInt(string(b.word.b), 10, 64)
	if err != nil || n < 0 {
		b.bundle.Total = nil
		return nil
	}
	b.bundle.Total = &n
	return nil
}
