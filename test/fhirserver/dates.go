package fhirserver

import (
	"strings"
	"time"
)

// timeRange is what a date of any precision means: the first instant, and the
// first one after it, in Unix ms.
type timeRange struct{ from, to int64 }

// dateLayouts are the precisions of FHIR dates. A space for the "+" of a zone is
// let pass, as HAPI does: it is what an unescaped plus becomes.
var dateLayouts = []struct {
	layout string
	next   func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05Z07:00", afterSecond},
	{"2006-01-02T15:04:05", afterSecond},
}

func afterSecond(t time.Time) time.Time {
	if t.Nanosecond() != 0 {
		return t.Truncate(time.Millisecond).Add(time.Millisecond)
	}
	return t.Add(time.Second)
}

// parseDate reads a date, dateTime or instant; without a zone it is UTC.
func parseDate(s string) (timeRange, error) {
	s = strings.Replace(s, " ", "+", 1)
	for _, l := range dateLayouts {
		t, err := time.Parse(l.layout, s)
		if err != nil {
			continue
		}
		to := l.next(t)
		if strings.Contains(s, ".") { // .000 is a millisecond, not a second
			t = t.Truncate(time.Millisecond)
			to = t.Add(time.Millisecond)
		}
		return timeRange{t.UnixMilli(), to.UnixMilli()}, nil
	}
	return timeRange{}, badDate(s)
}

// dateFilter is one value of a date parameter.
type dateFilter struct {
	prefix string
	timeRange
}

func parseDateFilter(s string) (dateFilter, error) {
	digits := strings.IndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' })
	if digits < 0 {
		return dateFilter{}, badQuantity(s)
	}
	prefix := s[:digits]
	switch prefix {
	case "":
		prefix = "eq"
	case "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb":
	case "ap":
		return dateFilter{}, invalid("HAPI-1925: Unknown comparator: APPROXIMATE")
	default:
		return dateFilter{}, invalid("HAPI-1941: Invalid prefix: \"" + prefix + "\"")
	}
	r, err := parseDate(s[digits:])
	return dateFilter{prefix, r}, err
}

// matches compares a whole range: a value of second precision means that second.
func (f dateFilter) matches(v timeRange) bool {
	switch f.prefix {
	case "eq":
		return v.from >= f.from && v.to <= f.to
	case "ne":
		return v.from < f.from || v.to > f.to
	case "gt":
		return v.to > f.to
	case "ge":
		return v.to > f.from
	case "lt":
		return v.from < f.from
	case "le":
		return v.from < f.to
	case "sa":
		return v.from >= f.to
	case "eb":
		return v.to <= f.from
	}
	return false
}
