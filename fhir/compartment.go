package fhir

import (
	_ "embed"
	"encoding/json"
	"slices"
	"sync"
)

//go:embed data/patient.json
var patientJSON []byte

// patientRow is what is known of one type and the patients it can point to.
type patientRow struct {
	Compartment []string            `json:"compartment"` // as in CompartmentDefinition/patient of R4
	Paths       map[string][]string `json:"paths"`       // search parameter → elements it looks at
}

// patientTable has a row for each of the 66 types of the patient compartment, and for Device: outside it, but with a parameter
// "patient".
var patientTable = sync.OnceValue(func() map[string]patientRow {
	var rows map[string]patientRow
	if err := json.Unmarshal(patientJSON, &rows); err != nil {
		panic("fhir: data/patient.json: " + err.Error())
	}
	return rows
})

// CompartmentParams returns the search parameters that make a resource of typ part of a patient's compartment in R4, nil when the
// type is outside. The caller owns the slice.
func CompartmentParams(typ string) []string { return slices.Clone(patientTable()[typ].Compartment) }

// InCompartment reports whether resources of typ can be in a patient's compartment: 66 types of R4 can.
func InCompartment(typ string) bool { return len(patientTable()[typ].Compartment) > 0 }

// PatientPaths returns the element paths, for ReferencesAt, that the search parameter param of typ looks at; nil when it is not known
// as one that can point to a patient. It knows the compartment's parameters, and "patient" and "subject" where R4 has them.
// The path of Patient's "_id" is "id", which is no reference. The caller owns the slice.
func PatientPaths(typ, param string) []string { return slices.Clone(patientTable()[typ].Paths[param]) }
