package fhirserver

import (
	"slices"
	"strings"
)

func dateFilters(values []string) ([]dateFilter, error) {
	var out []dateFilter
	for _, value := range values {
		f, err := parseDateFilter(value)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func anyDate(dates []dateFilter, v timeRange) bool {
	return slices.ContainsFunc(dates, func(f dateFilter) bool { return f.matches(v) })
}

func dateParamFilter(p *param, values []string) (filter, error) {
	dates, err := dateFilters(values)
	return filter{test: func(m *match) bool {
		found := false
		for _, path := range p.paths {
			eachAt(m.resource(), path.elements, func(value []byte) {
				if r, ok := rangeOf(value); ok && !found {
					found = anyDate(dates, r)
				}
			})
		}
		return found
	}}, err
}

// rangeOf is the time a date, a Period or a Timing with events stands for.
func rangeOf(value []byte) (timeRange, bool) {
	if value[0] != '{' {
		r, err := parseDate(text(value))
		return r, err == nil
	}
	r := timeRange{-1 << 62, 1 << 62}
	start, end := member(value, "start"), member(value, "end")
	if start == nil && end == nil {
		return r, false
	}
	if from, err := parseDate(text(start)); err == nil {
		r.from = from.from
	}
	if to, err := parseDate(text(end)); err == nil {
		r.to = to.to
	}
	return r, true
}

// token is a value of a token search: "code", "system|code", "|code" or "system|".
type token struct {
	system, code       string
	anySystem, anyCode bool
}

func parseToken(value string) token {
	system, code, both := strings.Cut(value, "|")
	if !both {
		return token{code: value, anySystem: true}
	}
	return token{system: system, code: code, anyCode: code == ""}
}

func (t token) is(system, code string) bool {
	return (t.anySystem || t.system == system) && (t.anyCode || t.code == code)
}

func tokenFilter(p *param, values []string, not bool) filter {
	var want []token
	for _, value := range values {
		want = append(want, parseToken(value))
	}
	return filter{test: func(m *match) bool {
		found := false
		for _, path := range p.paths {
			eachAt(m.resource(), path.elements, func(value []byte) {
				eachToken(value, func(system, code string) {
					found = found || slices.ContainsFunc(want, func(t token) bool { return t.is(system, code) })
				})
			})
		}
		return found != not
	}}
}

// eachToken reads a code, boolean, Coding, CodeableConcept, Identifier or ContactPoint.
func eachToken(value []byte, f func(system, code string)) {
	if value[0] != '{' {
		f("", text(value))
		return
	}
	if coding := member(value, "coding"); coding != nil {
		eachElement(coding, func(coding []byte) { eachToken(coding, f) })
		return
	}
	system := text(member(value, "system"))
	for _, name := range []string{"code", "value"} {
		if v := member(value, name); v != nil {
			f(system, text(v))
		}
	}
}

// stringFilter compares the beginning, or the whole, of every string below the
// element, without regard to case unless exact.
func stringFilter(p *param, values []string, exact bool) filter {
	return filter{test: func(m *match) bool {
		found := false
		for _, path := range p.paths {
			eachAt(m.resource(), path.elements, func(value []byte) {
				eachString(value, func(have string) {
					found = found || slices.ContainsFunc(values, func(want string) bool {
						if exact {
							return have == want
						}
						return len(have) >= len(want) && strings.EqualFold(have[:len(want)], want)
					})
				})
			})
		}
		return found
	}}
}

func eachString(value []byte, f func(string)) {
	switch value[0] {
	case '"':
		f(text(value))
	case '[':
		eachElement(value, func(element []byte) { eachString(element, f) })
	case '{':
		eachMember(value, 0, func(_ []byte, v span) bool {
			eachString(value[v.from:v.to], f)
			return true
		})
	}
}
