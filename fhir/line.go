package fhir

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep the brackets of a resource may be nested.
const maxDepth = 200

// ResourceError says why one resource cannot be written. It costs an error line; the page it came with is fine.
type ResourceError struct {
	Reason string // our own words, never content
}

func (e *ResourceError) Error() string { return "resource refused: " + e.Reason }

// strict makes jsontext check all of RFC 7493 but copy strings and numbers as they are written.
var strict = []jsontext.Options{
	jsontext.AllowDuplicateNames(false),
	jsontext.AllowInvalidUTF8(false),
	jsontext.PreserveRawStrings(true),
	jsontext.CanonicalizeRawInts(false),
	jsontext.CanonicalizeRawFloats(false),
	jsontext.ReorderRawObjects(false),
}

// AppendLine appends the resource raw to dst as one NDJSON line: insignificant white space is dropped, nothing else is touched, and
// a line feed ends it. No other CR or LF can be in it, since JSON allows them only as white space.
//
// A resource with duplicate names, bad UTF-8, lone surrogates, more than 200 levels or that is no object gives a *ResourceError.
// Any other error means broken JSON: what it stood in cannot be trusted. On an error dst is returned unchanged.
func AppendLine(dst, raw []byte) ([]byte, error) {
	out, err := jsontext.AppendFormat(dst, raw, strict...)
	if err != nil {
		return dst, refuse(raw, err)
	}
	line := out[len(dst):]
	if line[0] != '{' {
		return dst, &ResourceError{Reason: "no JSON object"}
	}
	if depth(line) > maxDepth {
		return dst, errDepth
	}
	return append(out, '\n'), nil
}

var errDepth = &ResourceError{Reason: fmt.Sprintf("nested deeper than %d levels", maxDepth)}

// refuse tells what is only a bad resource from what is broken JSON: the former passes a lenient parser. jsontext gives up at 10,000
// levels, so what is deeper than that counts as too deep, broken or not.
func refuse(raw []byte, err error) error {
	switch {
	case jsontext.Value(raw).IsValid(lenient...):
	case depth(raw) > 9999:
		return errDepth
	default:
		return syntaxError(err)
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &ResourceError{Reason: "an object has a name twice"}
	case !utf8.Valid(raw):
		return &ResourceError{Reason: "not UTF-8"}
	}
	return &ResourceError{Reason: "an escape sequence is half a surrogate pair"}
}

// depth returns how deep the brackets of raw are nested, at most. Of broken JSON it is a guess.
func depth(raw []byte) int {
	deepest, now := 0, 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i += stringEnd(raw[i+1:])
		case '{', '[':
			now++
			deepest = max(deepest, now)
		case '}', ']':
			now--
		}
	}
	return deepest
}

// stringEnd returns how many bytes the string that b stands in still has, with the closing quote.
func stringEnd(b []byte) int {
	n := 0
	for {
		i := bytes.IndexByte(b[n:], '"')
		if i < 0 {
			return len(b)
		}
		n += i + 1
		if !oddBackslashes(b[:n-1]) {
			return n
		}
	}
}

// oddBackslashes reports whether b ends in an odd number of backslashes: the byte after it is escaped.
func oddBackslashes(b []byte) bool {
	n := len(b)
	for n > 0 && b[n-1] == '\\' {
		n--
	}
	return (len(b)-n)%2 == 1
}
