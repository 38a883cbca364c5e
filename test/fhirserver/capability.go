package fhirserver

import (
	"encoding/json"
	"net/http"
)

type capability struct {
	ResourceType   string         `json:"resourceType"`
	ID             string         `json:"id"`
	Name           string         `json:"name"`
	Status         string         `json:"status"`
	Date           string         `json:"date"`
	Publisher      string         `json:"publisher"`
	Kind           string         `json:"kind"`
	Software       software       `json:"software"`
	Implementation implementation `json:"implementation"`
	FHIRVersion    string         `json:"fhirVersion"`
	Format         []string       `json:"format"`
	Rest           []rest         `json:"rest"`
}

type software struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type implementation struct {
	Description string `json:"description"`
	URL         string `json:"url"`
}

type rest struct {
	Mode     string         `json:"mode"`
	Resource []restResource `json:"resource"`
}

type restResource struct {
	Type              string        `json:"type"`
	Profile           string        `json:"profile"`
	Interaction       []code        `json:"interaction"`
	Versioning        string        `json:"versioning"`
	ConditionalCreate bool          `json:"conditionalCreate"`
	ConditionalUpdate bool          `json:"conditionalUpdate"`
	ConditionalDelete string        `json:"conditionalDelete"`
	SearchInclude     []string      `json:"searchInclude,omitempty"`
	SearchRevInclude  []string      `json:"searchRevInclude"`
	SearchParam       []searchParam `json:"searchParam"`
}

type code struct {
	Code string `json:"code"`
}

type searchParam struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// metadata answers with the CapabilityStatement: the types there are, what can
// be done with them, and no operation at all.
func (s *Server) metadata(c *call) (*answer, error) {
	stated := capability{
		ResourceType: "CapabilityStatement", ID: uuid("capability"), Name: "RestServer", Status: "active",
		Date: baseTime.Format(instant), Publisher: "Not provided", Kind: "instance",
		Software:       software{"Sluice FHIR test server", "1"},
		Implementation: implementation{"FHIR R4 server in memory", c.base},
		FHIRVersion:    "4.0.1", Format: []string{"application/fhir+json", "json"},
		Rest: []rest{{Mode: "server"}},
	}
	interactions := []code{{"search-type"}, {"update"}, {"vread"}, {"read"}, {"create"}, {"delete"}}
	if !s.o.NoHistory {
		interactions = append(interactions, code{"history-instance"}, code{"history-type"})
	}
	for _, typ := range s.servedTypes() {
		r := restResource{
			Type: typ, Profile: "http://hl7.org/fhir/StructureDefinition/" + typ, Interaction: interactions,
			Versioning: "versioned", ConditionalDelete: "not-supported",
			SearchRevInclude: []string{"Provenance:target"},
			SearchParam:      []searchParam{{"_id", "token"}, {"_lastUpdated", "date"}},
		}
		for _, p := range paramsOf(typ).all {
			r.SearchParam = append(r.SearchParam, searchParam{p.name, p.kind})
			if p.kind == "reference" {
				r.SearchInclude = append(r.SearchInclude, typ+":"+p.name)
			}
		}
		stated.Rest[0].Resource = append(stated.Rest[0].Resource, r)
	}
	body, err := json.Marshal(stated)
	if err != nil {
		return nil, err
	}
	return newAnswer(http.StatusOK, body), nil
}
