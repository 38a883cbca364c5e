package fhirserver

// Counts tells what was asked for since the start or the last reset.
type Counts struct {
	Requests    int64            `json:"requests"`
	InFlight    int              `json:"inFlight"`    // being answered now
	MaxInFlight int              `json:"maxInFlight"` // at most at one time
	Bytes       int64            `json:"bytes"`       // of bodies, before compression
	Searches    map[Key]int64    `json:"searches"`    // first pages per patient and type
	Pages       int64            `json:"pages"`       // pages after the first
	Routes      map[string]int64 `json:"routes"`      // per Route constant
	Status      map[int]int64    `json:"status"`      // per status code; 0: no answer was given
	Faults      map[string]int64 `json:"faults"`      // per Fault.Name, those really served
	Log         []string         `json:"log"`         // the last requests, "METHOD path", no query
}

// Key is a patient (or "") and a resource type. Its text is "patient/type".
type Key struct{ Patient, Type string }
