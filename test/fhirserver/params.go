package fhirserver

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// paramTable lists, one type a line, the R4 search parameters the server knows:
//
//	Observation patient:reference=subject>Patient *subject:reference=subject date:date=effective[x]
//
// name:kind=paths joined by "|". "*" marks a parameter of the patient compartment,
// ">Patient" takes only references to that type, "[x]" an element of several types.
// It was drawn from the R4 search-parameters bundle and the patient
// CompartmentDefinition of HL7 (CC0 1.0).
//
//go:embed data/params.txt
var paramTable string

// typeParams are the search parameters of one type.
type typeParams struct {
	name        string
	all         []*param // sorted by name
	byName      map[string]*param
	compartment []string // parameters of the patient compartment
}

// param is one search parameter.
type param struct {
	name    string
	kind    string // "reference", "token", "date", "string"
	paths   []path
	indexed bool // its references are in the index of the table
}

type path struct {
	elements []string
	target   string // reference: only to this type, "" for any
}

var allParams = sync.OnceValue(func() map[string]*typeParams {
	all := map[string]*typeParams{}
	for line := range strings.Lines(paramTable) {
		cells := strings.Fields(line)
		t := &typeParams{name: cells[0], byName: map[string]*param{}}
		for _, cell := range cells[1:] {
			cell, inCompartment := strings.CutPrefix(cell, "*")
			head, paths, _ := strings.Cut(cell, "=")
			name, kind, _ := strings.Cut(head, ":")
			p := &param{name: name, kind: kind}
			for one := range strings.SplitSeq(paths, "|") {
				elements, target, _ := strings.Cut(one, ">")
				p.paths = append(p.paths, path{strings.Split(elements, "."), target})
			}
			p.indexed = kind == "reference" && (inCompartment || name == "patient" || name == "subject" || name == "target")
			if inCompartment {
				t.compartment = append(t.compartment, name)
			}
			t.all = append(t.all, p)
			t.byName[name] = p
		}
		all[t.name] = t
	}
	return all
})

// paramsOf is nil for what is no R4 resource type.
func paramsOf(typ string) *typeParams { return allParams()[typ] }

// names are the parameters a search of the type takes, sorted.
func (t *typeParams) names() []string {
	names := []string{"_id", "_lastUpdated"}
	for _, p := range t.all {
		names = append(names, p.name)
	}
	slices.Sort(names)
	return names
}

// patientParam is the parameter that finds the rows of a patient: "_id" for
// Patient, else patient, subject or the first parameter of the compartment;
// "" for a type without patients.
func (t *typeParams) patientParam() string {
	switch {
	case t.name == "Patient":
		return "_id"
	case t.name != "Device" && len(t.compartment) == 0:
		return ""
	case t.byName["patient"] != nil:
		return "patient"
	case t.byName["subject"] != nil:
		return "subject"
	}
	return t.compartment[0]
}

// references calls f with each local reference the parameter looks at.
func (p *param) references(resource []byte, base string, f func(typ, id string)) {
	for _, path := range p.paths {
		eachAt(resource, path.elements, func(value []byte) {
			if value[0] != '{' {
				return // a canonical: not searched for
			}
			ref := member(value, "reference")
			if ref == nil {
				return
			}
			if typ, id, ok := localReference(text(ref), base); ok && (path.target == "" || path.target == typ) {
				f(typ, id)
			}
		})
	}
}
