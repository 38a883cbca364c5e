package bulkdata

import (
	"time"

	"sluice/fhir"
)

// Level is the level of an export: whose data is asked for.
type Level string

// The three levels of the Bulk Data guide.
const (
	System  Level = "system"
	Patient Level = "patient"
	Group   Level = "group"
)

// Request is one accepted kick-off.
type Request struct {
	Level   Level  `json:"level"`
	GroupID string `json:"groupId,omitempty"`
	// URL is the full kick-off URL on the public base; the caller of Parse sets it.
	URL          string       `json:"url"`
	Types        []string     `json:"types,omitempty"` // nil: all
	Since        time.Time    `json:"since,omitzero"`  // zero: none; strictly after
	Until        time.Time    `json:"until,omitzero"`  // zero: none
	OutputFormat string       `json:"outputFormat"`
	Lenient      bool         `json:"lenient,omitempty"`
	Ignored      []fhir.Issue `json:"ignored,omitempty"` // what was skipped because of handling=lenient, for the error files
}

// Offer is what this server exports.
type Offer struct {
	Levels []Level
	// Types returns the types that can be exported at a level, those followed by reference included.
	Types func(Level) []string
	// Compartment reports whether a type is asked for by patient, so that it can be exported without others at the levels Patient
	// and Group. nil: the patient compartment of R4 and Device.
	Compartment func(typ string) bool
}
