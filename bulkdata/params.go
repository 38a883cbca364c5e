package bulkdata

import (
	"fmt"
	"slices"
	"strings"

	"sluice/fhir"
)

// param is one kick-off parameter: its row is all there is to it.
type param struct {
	name string
	// single parameters may be sent again only with the same value (PAR-26).
	single bool
	// narrowing parameters are refused also under handling=lenient where they are not supported or malformed: skipping them would
	// widen the disclosure (KICK-12).
	narrowing bool
	parse     func(*parser, []string) // nil: not supported
}

// params lists the kick-off parameters of the guide. What has no row is unknown.
var params = []param{
	{name: "_outputFormat", single: true, parse: (*parser).outputFormat},
	{name: "_since", single: true, narrowing: true, parse: (*parser).since},
	{name: "_type", parse: (*parser).types},
	{name: "_until", narrowing: true},
	{name: "_typeFilter", narrowing: true},
	{name: "patient", narrowing: true},
	{name: "_elements"},
	{name: "includeAssociatedData"},
	{name: "organizeOutputBy"},
	{name: "allowPartialManifests"},
}

// Params returns the names of the supported parameters.
func Params() []string {
	var names []string
	for _, p := range params {
		if p.parse != nil {
			names = append(names, p.name)
		}
	}
	return names
}

// outputFormat takes the three spellings of NDJSON; a raw "+" arrives as a blank (PAR-01).
func (p *parser) outputFormat(values []string) {
	switch strings.ReplaceAll(values[0], " ", "+") {
	case "application/fhir+ndjson", "application/ndjson", "ndjson":
	default:
		p.refuse("not-supported", "_outputFormat: expected application/fhir+ndjson, application/ndjson or ndjson")
	}
}

// since takes a full instant; a blank before the offset was a "+" (PAR-03).
func (p *parser) since(values []string) {
	t, err := fhir.ParseInstant(strings.ReplaceAll(values[0], " ", "+"))
	if err != nil {
		p.refuse("value", "_since: expected an instant with seconds and time zone, such as 2026-03-01T08:00:00Z")
		return
	}
	p.req.Since = t
}

// types takes comma lists, repeated (PAR-05, PAR-06).
func (p *parser) types(values []string) {
	offered := p.offer.Types(p.req.Level)
	for _, typ := range strings.Split(strings.Join(values, ","), ",") {
		typ = strings.TrimSpace(typ)
		switch {
		case typ == "" || slices.Contains(p.req.Types, typ):
		case !fhir.ValidType(typ):
			p.skip("value", "_type: a value is no FHIR R4 resource type")
		case !slices.Contains(offered, typ):
			p.skip("not-supported", fmt.Sprintf("_type: %s cannot be exported at %s level here", typ, p.req.Level))
		default:
			p.req.Types = append(p.req.Types, typ)
		}
	}
	if len(p.req.Types) == 0 {
		p.refuse("value", "_type: no type is left that can be exported")
		return
	}
	if p.req.Level != System && !slices.ContainsFunc(p.req.Types, p.inCompartment) {
		p.refuse("not-supported", "_type: only types outside the patient compartment; they are exported where others refer to them: name one of those as well")
	}
}
