package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNoObject = errors.New("no JSON object")
	errEnough   = errors.New("enough read") // ends decode early, without an error
)

// decoder is a jsontext.Decoder over one value in memory.
type decoder struct {
	jsontext.Decoder
	buf bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// decode calls f with a decoder of raw, which is read in place. It is lenient where AppendLine is strict: whether a resource may be
// written is not decided here.
func decode(raw []byte, f func(*decoder) error) error {
	d := decoders.Get().(*decoder)
	d.buf = *bytes.NewBuffer(raw)
	d.Reset(&d.buf, lenient...)
	err := f(d)
	d.buf = bytes.Buffer{}
	d.Reset(&d.buf) // so that the pool does not hold raw
	decoders.Put(d)
	if err == errEnough {
		return nil
	}
	return err
}

// members calls f with the name of each member of the object that comes next; f must read the value, and may keep name only until
// then.
func (d *decoder) members(f func(name []byte) error) error {
	if d.PeekKind() != '{' {
		if err := d.SkipValue(); err != nil {
			return err
		}
		return errNoObject
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		name := raw[1 : len(raw)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(unquote(raw))
		}
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken() // the end, or what is wrong
	return err
}

// elements calls f for each element of the array that comes next; f must read it.
func (d *decoder) elements(f func() error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for k := d.PeekKind(); k != ']' && k != 0; k = d.PeekKind() {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := d.ReadToken() // the end, or what is wrong
	return err
}

// text reads the next value and returns it when it is a string, "" otherwise.
func (d *decoder) text() (string, error) {
	kind := d.PeekKind()
	raw, err := d.ReadValue()
	if err != nil || kind != '"' {
		return "", err
	}
	return unquote(raw), nil
}

// unquote returns what the JSON string raw, quotes included, says. As in encoding/json, what is no Unicode becomes U+FFFD; a string
// that is broken otherwise is "".
func unquote(raw []byte) string {
	if len(raw) < 2 {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(bytes.ToValidUTF8(raw[1:len(raw)-1], []byte("\uFFFD")))
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
