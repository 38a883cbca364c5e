package bulkdata

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"sluice/fhir"
)

// parser collects a Request and every problem with it.
type parser struct {
	req     *Request
	offer   Offer
	lenient bool
	issues  []fhir.Issue
}

// Parse reads the query string of a kick-off by GET. It returns either a Request or an OperationOutcome with every problem found,
// for a 400 answer.
func Parse(level Level, groupID string, rawQuery string, prefer Prefer, offer Offer) (*Request, *fhir.OperationOutcome) {
	lenient := prefer.Handling == "lenient"
	p := &parser{
		req:   &Request{Level: level, GroupID: groupID, OutputFormat: fhir.MediaTypeNDJSON, Lenient: lenient},
		offer: offer, lenient: lenient,
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		p.refuse("structure", "the query string is not well-formed")
		return nil, p.outcome()
	}
	for _, row := range params {
		if values, sent := query[row.name]; sent {
			p.param(row, values)
			delete(query, row.name)
		}
	}
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p.skip("not-supported", unsupported(name))
	}
	if len(p.issues) > 0 {
		return nil, p.outcome()
	}
	return p.req, nil
}

func (p *parser) param(row param, values []string) {
	switch {
	case row.parse == nil && row.narrowing:
		p.refuse("not-supported", fmt.Sprintf("parameter %s is not supported; skipping it would export more than was asked for", row.name))
	case row.parse == nil:
		p.skip("not-supported", unsupported(row.name))
	case row.single && slices.ContainsFunc(values, func(v string) bool { return v != values[0] }):
		p.refuse("value", fmt.Sprintf("parameter %s was sent twice with different values", row.name))
	default:
		row.parse(p, values)
	}
}

// unsupported says so of a parameter; a name that could be anything but a name is not repeated.
func unsupported(name string) string {
	if len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && r != '$' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		name = "with an odd name"
	}
	return fmt.Sprintf("parameter %s is not supported; send Prefer: handling=lenient to have it ignored", name)
}

// refuse notes a problem that ends in a 400.
func (p *parser) refuse(code, text string) {
	p.issues = append(p.issues, fhir.Issue{Severity: "error", Code: code, Diagnostics: text})
}

// skip refuses too, but under handling=lenient notes what was skipped for the error files (KICK-11).
func (p *parser) skip(code, text string) {
	if !p.lenient {
		p.refuse(code, text)
		return
	}
	text, _, _ = strings.Cut(text, ";")
	p.req.Ignored = append(p.req.Ignored, fhir.Issue{Severity: "warning", Code: code, Diagnostics: "ignored: " + text})
}

func (p *parser) outcome() *fhir.OperationOutcome {
	return &fhir.OperationOutcome{ResourceType: "OperationOutcome", Issue: p.issues}
}

func (p *parser) inCompartment(typ string) bool {
	if p.offer.Compartment != nil {
		return p.offer.Compartment(typ)
	}
	return fhir.InCompartment(typ) || typ == "Device"
}
