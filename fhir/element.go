package fhir

import (
	"bytes"
	"strings"
)

var referenceMember = []byte(`"reference":"`)

// EachReference calls f with every Reference.reference of one compact line, as AppendLine makes it, wherever it stands.
//
// It looks for the bytes `"reference":"` after "{" or ",". That is exact on compact JSON. Inside a string every quote has a
// backslash before it, so both quotes around the name end or begin a string. If the first one ended a string, "reference" would
// stand outside of strings, which JSON does not allow: so it begins one, the second ends it, and the colon makes it a member's name.
// Names that are written with escapes ("\u0072eference") are found by decoding the line.
//
// Three elements of R4 besides Reference have a string of that name, all uri: DetectedIssue.reference,
// Immunization.education.reference and Expression.reference. They are passed on as well.
func EachReference(line []byte, f func(ref string)) {
	// The letters of the name are U+0063 to U+0072; no serializer escapes them without need.
	if bytes.Contains(line, []byte(`\u006`)) || bytes.Contains(line, []byte(`\u007`)) {
		_ = decode(line, func(d *decoder) error { return eachReference(d, f) })
		return
	}
	for i := 0; ; {
		n := bytes.Index(line[i:], referenceMember)
		if n < 0 {
			return
		}
		i += n
		member := i > 0 && (line[i-1] == '{' || line[i-1] == ',')
		i += len(referenceMember)
		if !member {
			continue
		}
		end := i + stringEnd(line[i:])
		if s := unquote(line[i-1 : end]); s != "" {
			f(s)
		}
		i = end
	}
}

func eachReference(d *decoder, f func(string)) error {
	switch d.PeekKind() {
	case '[':
		return d.elements(func() error { return eachReference(d, f) })
	case '{':
		return d.members(func(name []byte) error {
			if string(name) != "reference" || d.PeekKind() != '"' {
				return eachReference(d, f)
			}
			s, err := d.text()
			if s != "" {
				f(s)
			}
			return err
		})
	}
	return d.SkipValue()
}

// ReferencesAt returns the Reference.reference values at a dotted element path ("participant.actor"); arrays on the way are
// flattened. A line that is broken gives what stands before the place.
func ReferencesAt(line []byte, path string) []string {
	var refs []string
	names := strings.Split(path+".reference", ".")
	_ = decode(line, func(d *decoder) error { return referencesAt(d, names, &refs) })
	return refs
}

func referencesAt(d *decoder, path []string, refs *[]string) error {
	switch d.PeekKind() {
	case '[':
		return d.elements(func() error { return referencesAt(d, path, refs) })
	case '{':
		return d.members(func(name []byte) error {
			switch {
			case string(name) != path[0]:
				return d.SkipValue()
			case len(path) > 1:
				return referencesAt(d, path[1:], refs)
			}
			s, err := d.text()
			if s != "" {
				*refs = append(*refs, s)
			}
			return err
		})
	}
	return d.SkipValue()
}
