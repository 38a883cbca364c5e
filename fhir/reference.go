package fhir

// Reference names one resource by type and id.
type Reference struct {
	Type, ID string
}

// String returns "Type/id".
func (r Reference) String() string { return r.Type + "/" + r.ID }

// ParseReference reads a literal reference to a resource of R4: "Type/id", "Type/id/_history/v", or either as an absolute URL under
// one of bases. Under means same scheme, host and port, and the base's path as whole segments. All else is false: "#contained",
// "urn:", other servers, conditional references.
func ParseReference(s string, bases ...string) (Reference, bool) {
	return Reference{}, false
}
