package fhir

// EachReference calls f with every Reference.reference of one compact line, wherever it stands.
func EachReference(line []byte, f func(ref string)) {}

// ReferencesAt returns the Reference.reference values at a dotted element path ("participant.actor"); arrays on the way are
// flattened.
func ReferencesAt(line []byte, path string) []string { return nil }
