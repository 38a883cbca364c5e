package fhir

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// SyntaxError says that JSON is broken. It carries a place and our own words, never what stands there.
type SyntaxError struct {
	Offset int64 // bytes before the place, from the start of what was read
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("broken JSON at byte %d: %s", e.Offset, e.Reason)
}

// syntaxError strips an error of jsontext of the member names and values that its text repeats.
func syntaxError(err error) error {
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		return &SyntaxError{Offset: s.ByteOffset, Reason: "not a JSON value"}
	}
	return &SyntaxError{Reason: "ends early"}
}
