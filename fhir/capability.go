package fhir

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

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

	// SearchParams gives the type of each search parameter by name; those declared for all types are among them.
	SearchParams          map[string]string
	RevIncludes, Includes []string
}

// capabilityStatement is the part of the resource that is read.
type capabilityStatement struct {
	ResourceType string `json:"resourceType"`
	FHIRVersion  string `json:"fhirVersion"`
	Software     struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"software"`
	Rest []struct {
		Mode        string                  `json:"mode"`
		Resource    []capabilityResource    `json:"resource"`
		SearchParam []capabilitySearchParam `json:"searchParam"`
	} `json:"rest"`
}

type capabilityResource struct {
	Type        string `json:"type"`
	Interaction []struct {
		Code string `json:"code"`
	} `json:"interaction"`
	SearchParam      []capabilitySearchParam `json:"searchParam"`
	SearchInclude    []string                `json:"searchInclude"`
	SearchRevInclude []string                `json:"searchRevInclude"`
}

type capabilitySearchParam struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// ParseCapability reads a CapabilityStatement: what its parts of mode server declare. It keeps raw. Another resource or another
// kind of JSON gives an error, as does an element of the wrong kind: what such a server can do is unknown.
func ParseCapability(raw []byte) (*Capability, error) {
	var cs capabilityStatement
	var kind *json.UnmarshalTypeError
	switch err := json.Unmarshal(raw, &cs); {
	case errors.As(err, &kind) && cs.ResourceType == "CapabilityStatement":
		return nil, errors.New("the CapabilityStatement has an element of the wrong kind: " + kind.Field)
	case err != nil:
		return nil, errors.New("not a CapabilityStatement: no FHIR JSON")
	case cs.ResourceType != "CapabilityStatement":
		return nil, errors.New("not a CapabilityStatement: another resource")
	}
	c := &Capability{
		FHIRVersion: cs.FHIRVersion,
		Software:    cs.Software.Name,
		Version:     cs.Software.Version,
		Types:       map[string]TypeCapability{},
		Raw:         raw,
	}
	for _, rest := range cs.Rest {
		if rest.Mode != "server" && rest.Mode != "" {
			continue
		}
		for _, r := range rest.Resource {
			if r.Type != "" {
				c.Types[r.Type] = c.Types[r.Type].merge(r, rest.SearchParam)
			}
		}
	}
	return c, nil
}

// merge adds what r, and the parameters declared for all types, say to t.
func (t TypeCapability) merge(r capabilityResource, all []capabilitySearchParam) TypeCapability {
	for _, i := range r.Interaction {
		switch i.Code {
		case "read":
			t.Read = true
		case "search-type":
			t.Search = true
		case "history-type":
			t.HistoryType = true
		case "history-instance":
			t.HistoryInstance = true
		}
	}
	params := map[string]string{}
	for _, p := range all {
		params[p.Name] = p.Type
	}
	for _, p := range r.SearchParam {
		params[p.Name] = p.Type
	}
	maps.Copy(params, t.SearchParams)
	t.SearchParams = params
	t.Includes = slices.Concat(t.Includes, r.SearchInclude)
	t.RevIncludes = slices.Concat(t.RevIncludes, r.SearchRevInclude)
	return t
}
