package upstream

import (
	"cmp"
	"context"
	"slices"

	"sluice/fhir"
)

// SkippedType is a type that cannot be exported here, and why.
type SkippedType struct{ Type, Reason string }

// heavy are the types that usually hold most rows. They come first, so that the long chains do not start last.
var heavy = []string{"Patient", "Observation", "ExplanationOfBenefit", "Claim", "Encounter", "DiagnosticReport", "Procedure",
	"MedicationRequest", "DocumentReference", "Condition", "Immunization"}

// Plan tells how each type is asked for at a level: "system", "patient" or "group".
//
// At system level each searchable type is one row without Param: it is scanned whole.
//
// At the others come, in this order: Patient by _id (ByID says whether it may be searched by it; if not, read it); the types of the
// patient compartment and Device by their patient parameter, RevInclude where Provenance comes with them; and the types that are not
// searched by patient, without Param: the followed ones, and Provenance with RevInclude set when it comes along with the rows before.
func (c *Client) Plan(ctx context.Context, level string) ([]fhir.TypeSearch, error) {
	m, err := c.Capability(ctx)
	if err != nil {
		return nil, err
	}
	rows, _ := c.plan(m, level)
	return rows, nil
}

// Skipped tells which types Plan left out at a level although the upstream has them or they were asked for.
func (c *Client) Skipped(ctx context.Context, level string) ([]SkippedType, error) {
	m, err := c.Capability(ctx)
	if err != nil {
		return nil, err
	}
	_, skipped := c.plan(m, level)
	return skipped, nil
}

// planner makes the rows of one plan.
type planner struct {
	c       *Client
	m       *fhir.Capability
	rows    []fhir.TypeSearch
	skipped []SkippedType
}

func (c *Client) plan(m *fhir.Capability, level string) ([]fhir.TypeSearch, []SkippedType) {
	p := &planner{c: c, m: m}
	if level == "system" {
		p.system()
	} else {
		p.patients()
	}
	return p.rows, p.skipped
}

func (p *planner) system() {
	for _, t := range p.types(func(t string) bool { return t != "Binary" && t != "Parameters" }) {
		if !p.m.Types[t].Search {
			p.skip(t, "search is not declared")
		} else if r, ok := p.row(t); ok {
			r.Extra = nil // they narrow the search for one patient; here they would only lose rows
			p.rows = append(p.rows, r)
		}
	}
}

func (p *planner) patients() {
	include := p.revincluded()
	for _, t := range p.types(func(t string) bool { return fhir.InCompartment(t) || t == "Device" }) {
		cap := p.m.Types[t]
		switch {
		case t == "Patient":
			p.patient()
			continue
		case t == "Provenance" && include:
			continue
		case t == "Group":
			// It belongs to the compartments of all its members: one large Group would be read once for each, and tells of the others.
			p.skip(t, "a Group tells of all its members; exported at system level only")
			continue
		case !cap.Search:
			p.skip(t, "search is not declared")
			continue
		}
		r, ok := p.row(t)
		if !ok {
			continue
		}
		if r.Param = p.param(t); r.Param == "" {
			p.skip(t, "no search parameter for the patient is declared")
			continue
		}
		r.RevInclude = include && slices.Contains(cap.RevIncludes, provenanceTarget)
		p.rows = append(p.rows, r)
	}
	p.followed()
	if include {
		p.rows = append(p.rows, fhir.TypeSearch{Type: "Provenance", Since: "none", RevInclude: true})
	}
}

const provenanceTarget = "Provenance:target"

// revincluded tells whether Provenance comes along with other rows: it is wanted, and some type that is searched declares it.
func (p *planner) revincluded() bool {
	if !p.wanted("Provenance") || p.rule("Provenance").Skip != "" {
		return false
	}
	for t, cap := range p.m.Types {
		if slices.Contains(cap.RevIncludes, provenanceTarget) && cap.Search && t != "Provenance" && p.wanted(t) &&
			p.rule(t).Skip == "" && (t == "Patient" && p.byID(t) || p.param(t) != "") {
			return true
		}
	}
	return false
}

// patient makes the row of Patient itself. A server that only reads patients still has one.
func (p *planner) patient() {
	cap, byID := p.m.Types["Patient"], p.byID("Patient")
	if !byID && !cap.Read {
		p.skip("Patient", "neither read nor search by _id is declared")
		return
	}
	if r, ok := p.row("Patient"); ok {
		r.Param, r.ByID = "_id", byID
		r.RevInclude = byID && p.revincluded() && slices.Contains(cap.RevIncludes, provenanceTarget)
		p.rows = append(p.rows, r)
	}
}

// followed makes the rows of the types that are fetched because something refers to them.
func (p *planner) followed() {
	for _, t := range p.c.o.Follow {
		if t == "Patient" || !p.wanted(t) || slices.ContainsFunc(p.rows, func(r fhir.TypeSearch) bool { return r.Type == t }) {
			continue
		}
		byID := p.byID(t)
		if !byID && !p.m.Types[t].Read {
			p.skip(t, "neither read nor search by _id is declared")
			continue
		}
		p.skipped = slices.DeleteFunc(p.skipped, func(s SkippedType) bool { return s.Type == t })
		p.rows = append(p.rows, fhir.TypeSearch{Type: t, Since: "none", ByID: byID})
	}
}

// types returns the declared types that are wanted and match, heaviest first. Wanted ones that are not declared are skipped.
func (p *planner) types(match func(string) bool) []string {
	for _, t := range p.c.o.Types {
		if _, ok := p.m.Types[t]; !ok && match(t) {
			p.skip(t, "the type is not declared")
		}
	}
	var all []string
	for t := range p.m.Types {
		if fhir.ValidType(t) && p.wanted(t) && match(t) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(a, b)) })
	return all
}

func weight(typ string) int {
	if i := slices.Index(heavy, typ); i >= 0 {
		return i
	}
	return len(heavy)
}

// row makes a row with what is the same at all levels; ok is false when the profile leaves the type out.
func (p *planner) row(typ string) (r fhir.TypeSearch, ok bool) {
	rule := p.rule(typ)
	if rule.Skip != "" {
		p.skip(typ, rule.Skip)
		return r, false
	}
	r = fhir.TypeSearch{Type: typ, Extra: rule.Extra, Count: max(0, p.c.o.PageSize), Since: "none"}
	if rule.Count != nil {
		r.Count = *rule.Count
	}
	if _, declared := p.m.Types[typ].SearchParams["_lastUpdated"]; declared {
		r.Since = "lastUpdated"
	}
	if rule.Since != "" {
		r.Since = rule.Since
	}
	return r, true
}

// param returns the declared parameter that takes the patient: patient, subject, or the first of the compartment definition. Only
// one whose rows can be checked will do.
func (p *planner) param(typ string) string {
	if r := p.rule(typ); r.Param != "" {
		return r.Param
	}
	compartment := fhir.CompartmentParams(typ)
	for _, name := range append([]string{"patient", "subject"}, compartment...) {
		_, declared := p.m.Types[typ].SearchParams[name]
		if declared && fhir.PatientPaths(typ, name) != nil && (name == "patient" || slices.Contains(compartment, name)) {
			return name
		}
	}
	return ""
}

// byID tells whether Type?_id=a,b,c may be used.
func (p *planner) byID(typ string) bool {
	_, declared := p.m.Types[typ].SearchParams["_id"]
	return p.m.Types[typ].Search && declared
}

func (p *planner) rule(typ string) rule { return p.c.profile.Types[typ] }

func (p *planner) wanted(typ string) bool {
	return p.c.o.Types == nil || slices.Contains(p.c.o.Types, typ)
}

func (p *planner) skip(typ, reason string) {
	p.skipped = append(p.skipped, SkippedType{typ, reason})
}
