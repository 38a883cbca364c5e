package fhirserver

import (
	"bytes"
	"encoding/json"
	"strings"
)

// The functions here read compact JSON that was checked when it was loaded or
// put; on anything else they may return nonsense.

// span is a part of some JSON text.
type span struct{ from, to int }

// valueEnd is the index after the value that starts at i.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		depth := 0
		for ; i < len(b); i++ {
			switch b[i] {
			case '"':
				i = stringEnd(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return i
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return i
}

// eachMember calls f with the name, without quotes, and the value of each member
// of the object that starts at i, until f returns false.
func eachMember(b []byte, i int, f func(name []byte, value span) bool) {
	if b[i] != '{' {
		return
	}
	for i++; i < len(b) && b[i] != '}'; {
		nameEnd := stringEnd(b, i)
		end := valueEnd(b, nameEnd+1)
		if !f(b[i+1:nameEnd-1], span{nameEnd + 1, end}) {
			return
		}
		if i = end; i < len(b) && b[i] == ',' {
			i++
		}
	}
}

// eachElement calls f with each element of an array, or with the value itself
// when it is none.
func eachElement(value []byte, f func(element []byte)) {
	if value[0] != '[' {
		f(value)
		return
	}
	for i := 1; i < len(value) && value[i] != ']'; {
		end := valueEnd(value, i)
		f(value[i:end])
		if i = end; i < len(value) && value[i] == ',' {
			i++
		}
	}
}

// member is the value of a member of an object, nil when it has none.
func member(object []byte, name string) []byte {
	var found []byte
	if len(object) == 0 {
		return nil
	}
	eachMember(object, 0, func(n []byte, v span) bool {
		if string(n) == name {
			found = object[v.from:v.to]
			return false
		}
		return true
	})
	return found
}

// eachAt calls f with every value at a path of element names; arrays on the way,
// and at its end, are flattened. A name that ends in "[x]" stands for all of its types.
func eachAt(value []byte, path []string, f func(value []byte)) {
	eachElement(value, func(element []byte) {
		if len(path) == 0 {
			f(element)
			return
		}
		if element[0] != '{' {
			return
		}
		eachMember(element, 0, func(name []byte, v span) bool {
			if named(name, path[0]) {
				eachAt(element[v.from:v.to], path[1:], f)
			}
			return true
		})
	})
}

func named(name []byte, want string) bool {
	stem, choice := strings.CutSuffix(want, "[x]")
	if !choice {
		return string(name) == want
	}
	return len(name) > len(stem) && string(name[:len(stem)]) == stem && name[len(stem)] >= 'A' && name[len(stem)] <= 'Z'
}

// text is the content of a JSON string; of another value it is its own text.
func text(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return string(value)
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

var referenceName = []byte(`"reference":"`)

// eachReference calls f with the content of every Reference.reference, wherever
// it stands. The name cannot stand in a string: there its quotes are escaped.
func eachReference(b []byte, f func(content span)) {
	for i := 0; ; {
		at := bytes.Index(b[i:], referenceName)
		if at < 0 {
			return
		}
		from := i + at + len(referenceName)
		i = stringEnd(b, from-1)
		f(span{from, i - 1})
	}
}

// basePlaceholder stands for the server's own base URL in loaded resources.
const basePlaceholder = "{base}"

// localReference reads "Type/id", "Type/id/_history/v" and both below base.
func localReference(s, base string) (typ, id string, ok bool) {
	if rest, found := strings.CutPrefix(s, basePlaceholder+"/"); found {
		s = rest
	} else if base != "" {
		if rest, found := strings.CutPrefix(s, base+"/"); found {
			s = rest
		}
	}
	typ, id, ok = strings.Cut(s, "/")
	if !ok || typ == "" || id == "" {
		return "", "", false
	}
	if i := strings.IndexByte(id, '/'); i >= 0 {
		if !strings.HasPrefix(id[i:], "/_history/") {
			return "", "", false
		}
		id = id[:i]
	}
	if paramsOf(typ) == nil {
		return "", "", false
	}
	return typ, id, true
}

func validID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}
