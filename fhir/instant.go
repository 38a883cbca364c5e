package fhir

import (
	"errors"
	"time"
)

var errInstant = errors.New("not a FHIR instant: want YYYY-MM-DDThh:mm:ss[.sss] and Z or an offset")

// ParseInstant reads a FHIR instant: a full date and time, with seconds and a zone. Dates, partial times and times without a zone
// are errors, which never repeat s.
func ParseInstant(s string) (time.Time, error) {
	return time.Time{}, errInstant
}

// FormatInstant writes t as an instant in UTC with milliseconds; what is finer is cut off.
func FormatInstant(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
