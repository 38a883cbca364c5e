package fhir

import "errors"

// Query is one search that can never be unbound: it is for named patients, for named ids, for named targets, or for a whole type on
// purpose. The zero Query is none of these and is refused everywhere. A Query is never changed; With returns a new one.
type Query struct {
	typ    string
	params []Param
}

// PatientQuery is a search for resources of typ of the named patients by param. For Patient itself param is "_id".
func PatientQuery(typ, param string, patientIDs ...string) (Query, error) {
	return Query{}, errors.New("not written yet")
}

// IDQuery is a search for resources by their ids.
func IDQuery(typ string, ids ...string) (Query, error) {
	return Query{}, errors.New("not written yet")
}

// TargetQuery is a search for resources of typ that refer to one of refs by param, such as Provenance?target=.
func TargetQuery(typ, param string, refs ...Reference) (Query, error) {
	return Query{}, errors.New("not written yet")
}

// SystemQuery is a search for all resources of a type.
func SystemQuery(typ string) (Query, error) {
	return Query{}, errors.New("not written yet")
}

// With returns q with one more parameter. It can only narrow: parameters of a search are joined by AND.
func (q Query) With(name, value string) Query { return q }

// Type returns the type searched for.
func (q Query) Type() string { return q.typ }

// Params returns the parameters in their order.
func (q Query) Params() []Param { return q.params }

// Encode returns the query string: name=value pairs joined by "&".
func (q Query) Encode() string { return "" }

// Valid reports whether q was made by one of the constructors.
func (q Query) Valid() bool { return q.typ != "" }

// Has reports whether q has a parameter of that name.
func (q Query) Has(name string) bool { return false }
