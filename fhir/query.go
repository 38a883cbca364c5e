package fhir

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Query is one search that can never be unbound: it is for named patients, for named ids, for named targets, or for a whole type on
// purpose. The zero Query is none of these and is refused everywhere. A Query is never changed; With returns a new one.
type Query struct {
	typ    string
	params []Param
	once   bool
}

// Once returns q as a search that is not worth a second attempt: there is reason to think that it will fail.
func (q Query) Once() Query {
	q.once = true
	return q
}

// IsOnce tells that q is to be tried once only.
func (q Query) IsOnce() bool { return q.once }

// PatientQuery is a search for resources of typ of the named patients by param. For Patient itself param is "_id", and only there.
//
// Ids go bare after "_id", "patient…" and a type modifier ("subject:Patient"), which can only mean patients; after other parameters
// they go as "Patient/id", since the id alone might be another type's.
func PatientQuery(typ, param string, patientIDs ...string) (Query, error) {
	prefix := "Patient/"
	if strings.HasPrefix(param, "patient") || strings.HasSuffix(param, ":Patient") {
		prefix = ""
	}
	if param == "_id" {
		if typ != "Patient" {
			return Query{}, fmt.Errorf("search %s by patients: _id takes no patients", word(typ))
		}
		return IDQuery(typ, patientIDs...)
	}
	if !ValidType(typ) {
		return Query{}, errQueryType
	}
	return bound(typ, param, prefix, patientIDs)
}

// IDQuery is a search for resources by their ids.
func IDQuery(typ string, ids ...string) (Query, error) {
	if !ValidType(typ) {
		return Query{}, errQueryType
	}
	values, err := list("", ids)
	if err != nil {
		return Query{}, fmt.Errorf("search %s by ids: %w", typ, err)
	}
	return Query{typ: typ, params: []Param{{Name: "_id", Value: values}}}, nil
}

// TargetQuery is a search for resources of typ that refer to one of refs by param, such as Provenance?target=.
func TargetQuery(typ, param string, refs ...Reference) (Query, error) {
	values := make([]string, len(refs))
	for i, r := range refs {
		if !ValidType(r.Type) || !ValidID(r.ID) {
			return Query{}, errQueryID
		}
		values[i] = r.String()
	}
	if !ValidType(typ) {
		return Query{}, errQueryType
	}
	if !binds(param) {
		return Query{}, fmt.Errorf("search %s by reference: %w", typ, errQueryParam)
	}
	if len(values) == 0 {
		return Query{}, fmt.Errorf("search %s by reference: %w", typ, errQueryEmpty)
	}
	return Query{typ: typ, params: []Param{{Name: param, Value: strings.Join(values, ",")}}}, nil
}

// SystemQuery is a search for all resources of a type.
func SystemQuery(typ string) (Query, error) {
	if !ValidType(typ) {
		return Query{}, errQueryType
	}
	return Query{typ: typ}, nil
}

// With returns q with one more parameter. It can only narrow: the parameters of a search are joined by AND.
func (q Query) With(name, value string) Query {
	q.params = append(slices.Clip(q.params), Param{Name: name, Value: value})
	return q
}

// Type returns the type searched for.
func (q Query) Type() string { return q.typ }

// Params returns the parameters in their order. The caller owns the slice.
func (q Query) Params() []Param { return slices.Clone(q.params) }

// Valid reports whether q was made by one of the constructors.
func (q Query) Valid() bool { return q.typ != "" }

// Has reports whether q has a parameter of that name.
func (q Query) Has(name string) bool {
	return slices.ContainsFunc(q.params, func(p Param) bool { return p.Name == name })
}

// Encode returns the query string: name=value pairs joined by "&". "," is kept: it joins values. "+" goes as %2B: as itself it
// would be read as a blank.
func (q Query) Encode() string {
	var b strings.Builder
	for i, p := range q.params {
		if i > 0 {
			b.WriteByte('&')
		}
		escape(&b, p.Name)
		b.WriteByte('=')
		escape(&b, p.Value)
	}
	return b.String()
}

var (
	errQueryType  = errors.New("search: not a resource type of FHIR R4")
	errQueryParam = errors.New("a parameter that does not bind the search")
	errQueryEmpty = errors.New("nobody named: the search would be for all")
	errQueryID    = errors.New("an id that is no FHIR id")
)

func bound(typ, param, prefix string, ids []string) (Query, error) {
	if !binds(param) {
		return Query{}, fmt.Errorf("search %s by patients: %w", typ, errQueryParam)
	}
	values, err := list(prefix, ids)
	if err != nil {
		return Query{}, fmt.Errorf("search %s by patients: %w", typ, err)
	}
	return Query{typ: typ, params: []Param{{Name: param, Value: values}}}, nil
}

// list joins ids, each with prefix. There must be one, and each must be an id: "" would unbind the search and "," add to it.
func list(prefix string, ids []string) (string, error) {
	if len(ids) == 0 {
		return "", errQueryEmpty
	}
	var b strings.Builder
	for i, id := range ids {
		if !ValidID(id) {
			return "", errQueryID
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(prefix)
		b.WriteString(id)
	}
	return b.String(), nil
}

// binds reports whether a search by param is only for what its value names. Result parameters (_count), and modifiers that turn the
// meaning round (:not, :missing), are not; of modifiers only a type is.
func binds(param string) bool {
	name, modifier, modified := strings.Cut(param, ":")
	if name == "" || name[0] == '_' || modified && !ValidType(modifier) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
	})
}

// word returns s for an error text when it is a type, a stand-in otherwise.
func word(s string) string {
	if ValidType(s) {
		return s
	}
	return "a type"
}

// escape writes s for a query string.
func escape(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~,:/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}
