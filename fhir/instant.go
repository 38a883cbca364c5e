package fhir

import (
	"errors"
	"regexp"
	"time"
)

var errInstant = errors.New("not a FHIR instant: want YYYY-MM-DDThh:mm:ss[.sss] and Z or an offset")

// instantForm is stricter than time.RFC3339, which also takes one-digit hours and decimal commas. Seconds may be 60: FHIR allows
// leap seconds, time.Parse does not.
var instantForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:)([0-5]\d|60)((?:\.\d+)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d))$`)

// ParseInstant reads a FHIR instant: a full date and time, with seconds and a zone. Dates, partial times and times without a zone
// are errors, which never repeat s. A leap second is the second after :59.
func ParseInstant(s string) (time.Time, error) {
	if len(s) > 64 {
		return time.Time{}, errInstant
	}
	m := instantForm.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, errInstant
	}
	var leap time.Duration
	if m[2] == "60" {
		s, leap = m[1]+"59"+m[3], time.Second
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1 {
		return time.Time{}, errInstant
	}
	return t.Add(leap), nil
}

// FormatInstant writes t as an instant in UTC with milliseconds; what is finer is cut off.
func FormatInstant(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
