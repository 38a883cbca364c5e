package fhir

import "errors"

// Capability is what a CapabilityStatement says about a server that an export depends on.
type Capability struct {
	FHIRVersion string
	Software    string
	Version     string // of the software
	Types       map[string]TypeCapability
	Raw         []byte // the whole CapabilityStatement
}

// TypeCapability is what a server can do with one type.
type TypeCapability struct {
	Read, Search, HistoryType, HistoryInstance bool

	SearchParams          map[string]string // name → type
	RevIncludes, Includes []string
}

// ParseCapability reads a CapabilityStatement. It keeps raw.
func ParseCapability(raw []byte) (*Capability, error) {
	return nil, errors.New("not written yet")
}
