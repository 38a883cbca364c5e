package fhir

import (
	"errors"
	"io"
)

// BundleOptions bounds what a BundleReader accepts.
type BundleOptions struct {
	MaxResource int64 // bytes of one resource; default 64 MiB
	MaxEntries  int   // entries of one Bundle; default 10,000
}

// ErrTooManyEntries is returned by Next when a Bundle has more entries than BundleOptions allow.
var ErrTooManyEntries = errors.New("bundle has too many entries")

// BundleReader reads one Bundle as a stream. It holds one entry at a time, whatever the size of the Bundle.
type BundleReader struct {
	bundle Bundle
}

// NewBundleReader returns a reader of the Bundle in r. It reads from r only when Next is called and never closes it.
func NewBundleReader(r io.Reader, o BundleOptions) *BundleReader {
	return &BundleReader{}
}

// Next returns the next entry. After a complete, well-formed Bundle the error is io.EOF; only then is the page whole. A body that
// ends early gives io.ErrUnexpectedEOF, one that is something else *NotBundleError; errors of the underlying reader are
// wrapped. After an error Next returns the same error again.
func (b *BundleReader) Next() (Entry, error) {
	return Entry{}, errors.New("not written yet")
}

// Bundle returns what the Bundle says besides its entries. It is complete after Next returned io.EOF, since link and total may
// stand after the entries.
func (b *BundleReader) Bundle() Bundle { return b.bundle }
