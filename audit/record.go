package audit

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of what one event may hold. What is longer is cut and ends in "…".
const (
	maxWord   = 256  // client, job, request id, remote, type, outcome
	maxDetail = 1024 // detail, and each string of the fields
	maxFields = 32
	maxList   = 100
	maxJSON   = 32 << 10 // all fields together; above it they are left out and "fields": {"left out": n} says so
)

// appendRecord adds the line that follows head to buf, with its end, and returns it without. It is valid until buf is next changed.
func appendRecord(buf *bytes.Buffer, head Head, e Event) []byte {
	r := Record{
		Seq:       head.Seq + 1,
		Time:      e.Time.UTC().Truncate(time.Microsecond),
		Type:      word(e.Type, "type-not-given"),
		Outcome:   word(e.Outcome, "outcome-not-given"),
		Client:    clean(e.Client, maxWord),
		Job:       clean(e.Job, maxWord),
		RequestID: clean(e.RequestID, maxWord),
		Remote:    clean(e.Remote, maxWord),
		Detail:    clean(e.Detail, maxDetail),
		Fields:    cleanFields(e.Fields),
		Prev:      head.Hash,
	}
	start := buf.Len()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		panic("audit: a record of plain values cannot be written as JSON: " + err.Error())
	}
	return buf.Bytes()[start : buf.Len()-1]
}

func word(s, absent string) string {
	if s == "" {
		return absent
	}
	return clean(s, maxWord)
}

// clean returns s without control and format characters, without broken UTF-8, and not longer than max bytes.
func clean(s string, max int) string {
	cut := len(s) > max
	if cut {
		s = s[:max]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if r, n := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && n == 1 {
			s = s[:len(s)-1]
		}
	}
	s = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
			return utf8.RuneError
		}
		return r
	}, s)
	if cut {
		s += "…"
	}
	return s
}

func cleanFields(fields map[string]any) map[string]any {
	if len(fields) == 0 {
		return nil
	}
	if len(fields) > maxFields {
		return map[string]any{"left out": len(fields)}
	}
	out := make(map[string]any, len(fields))
	for k, v := range fields {
		out[clean(k, 64)] = cleanValue(v)
	}
	if b, err := json.Marshal(out); err != nil || len(b) > maxJSON {
		return map[string]any{"left out": len(fields)}
	}
	return out
}

// cleanValue lets plain values through, whatever their named type, and nothing that could hide content.
func cleanValue(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case time.Duration:
		return v.String()
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.String:
		return clean(rv.String(), maxDetail)
	case reflect.Bool:
		return rv.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return rv.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return rv.Uint()
	case reflect.Float32, reflect.Float64:
		if f := rv.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.String {
			return cleanList(rv)
		}
	case reflect.Map:
		if rv.Type().Key().Kind() == reflect.String && rv.Type().Elem().Kind() != reflect.Map {
			return cleanCounts(rv)
		}
	}
	return "?"
}

func cleanList(list reflect.Value) []string {
	out := make([]string, 0, min(list.Len(), maxList+1))
	for i := range list.Len() {
		if i == maxList {
			return append(out, "…")
		}
		out = append(out, clean(list.Index(i).String(), maxWord))
	}
	return out
}

// cleanCounts takes maps of plain values by name, such as rows by resource type.
func cleanCounts(m reflect.Value) any {
	if m.Len() > 2*maxList {
		return "?"
	}
	out := make(map[string]any, m.Len())
	for it := m.MapRange(); it.Next(); {
		v := it.Value()
		switch {
		case v.CanInt():
			out[clean(it.Key().String(), 64)] = v.Int()
		case v.CanUint():
			out[clean(it.Key().String(), 64)] = v.Uint()
		default:
			return "?"
		}
	}
	return out
}
