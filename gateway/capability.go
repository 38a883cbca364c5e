package gateway

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/bulkdata"
)

// Canonical addresses of the Bulk Data guide.
const (
	bulkStatement   = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
	bulkOperations  = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
	bulkUnsupported = "http://hl7.org/fhir/uv/bulkdata/Extension/operation-not-supported"
)

// mergeCapability edits the upstream's CapabilityStatement into one that tells the truth about this server: what we add is in it, and
// what the pass-through refuses is not. Everything else stays as it is, also what we do not know.
func mergeCapability(raw []byte, o ours) ([]byte, error) {
	s, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	s.set("kind", "instance")
	if err := describe(&s, o); err != nil {
		return nil, err
	}
	rest, err := serverRest(s)
	if err != nil {
		return nil, err
	}
	if err := editRest(&rest, o); err != nil {
		return nil, err
	}
	s.set("rest", []object{rest})
	if o.proxy != proxyAll {
		s.remove("messaging", "document") // not reachable through us
	}
	out, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	for _, base := range o.upstream { // no address of the upstream is of use to a client
		out = bytes.ReplaceAll(out, []byte(`"`+base+`/`), []byte(`"`+o.base+`/`))
	}
	return out, nil
}

// describe: DISC-10, and the address is ours.
func describe(s *object, o ours) error {
	implementation := object{}
	if raw := s.get("implementation"); raw != nil {
		var err error
		if implementation, err = parseObject(raw); err != nil {
			return err
		}
	}
	if implementation.get("description") == nil {
		implementation.set("description", "FHIR server with Bulk Data export by Sluice")
	}
	implementation.set("url", o.base)
	s.set("implementation", implementation)

	var instantiates []string
	if raw := s.get("instantiates"); raw != nil && json.Unmarshal(raw, &instantiates) != nil {
		return errJSON
	}
	if !slices.Contains(instantiates, bulkStatement) {
		instantiates = append(instantiates, bulkStatement)
	}
	s.set("instantiates", instantiates)
	return nil
}

// serverRest returns the one rest entry of mode server; the kits look at the last, so there may be no other.
func serverRest(s object) (object, error) {
	list, err := parseArray(s.get("rest"))
	if err != nil {
		return nil, err
	}
	for _, raw := range list {
		rest, err := parseObject(raw)
		if err != nil {
			return nil, err
		}
		if rest.text("mode") == "server" {
			return rest, nil
		}
	}
	return object{{"mode", jsontext.Value(`"server"`)}}, nil
}

func editRest(rest *object, o ours) error {
	rest.set("security", security(o.tokenURL))
	if err := keepInteractions(rest, o.proxy, nil); err != nil {
		return err
	}
	if err := setExport(rest, o, bulkdata.System, "export"); err != nil {
		return err
	}
	resources, err := parseArray(rest.get("resource"))
	if err != nil {
		return err
	}
	var edited []object
	seen := map[string]bool{}
	for _, raw := range resources {
		r, err := parseObject(raw)
		if err != nil {
			return err
		}
		if err := editResource(&r, o); err != nil {
			return err
		}
		seen[r.text("type")] = true
		edited = append(edited, r)
	}
	for level, typ := range map[bulkdata.Level]string{bulkdata.Patient: "Patient", bulkdata.Group: "Group"} {
		if o.offers(level) && !seen[typ] {
			r := object{{"type", jsontext.Value(`"` + typ + `"`)}}
			if err := editResource(&r, o); err != nil {
				return err
			}
			edited = append(edited, r)
		}
	}
	rest.set("resource", edited)
	return nil
}

// editResource: DISC-09 and DISC-11.
func editResource(r *object, o ours) error {
	typ := r.text("type")
	if err := keepInteractions(r, o.proxy, []string{"read", "vread", "history-instance", "history-type", "search-type"}); err != nil {
		return err
	}
	if o.proxy != proxyAll {
		r.remove("conditionalCreate", "conditionalUpdate", "conditionalDelete", "updateCreate")
	}
	level, name := bulkdata.Level(""), ""
	switch typ {
	case "Patient":
		level, name = bulkdata.Patient, "patient-export"
	case "Group":
		level, name = bulkdata.Group, "group-export"
	}
	if err := setExport(r, o, level, name); err != nil {
		return err
	}
	if _, exported := slices.BinarySearch(o.exported, typ); exported {
		return nil
	}
	extensions, err := parseArray(r.get("extension"))
	if err != nil {
		return err
	}
	mark, err := json.Marshal(map[string]string{"url": bulkUnsupported, "valueCanonical": bulkStatement})
	if err != nil {
		return err
	}
	r.set("extension", append(extensions, mark))
	return nil
}

// keepInteractions leaves of the interactions only those that the pass-through lets pass.
func keepInteractions(o *object, proxy string, reading []string) error {
	if proxy == proxyAll {
		return nil
	}
	if proxy == proxyOff {
		reading = nil
	}
	list, err := parseArray(o.get("interaction"))
	if err != nil {
		return err
	}
	kept := []jsontext.Value{}
	for _, raw := range list {
		i, err := parseObject(raw)
		if err != nil {
			return err
		}
		if slices.Contains(reading, i.text("code")) {
			kept = append(kept, raw)
		}
	}
	o.set("interaction", kept)
	return nil
}

// setExport declares our operation where its level is offered. An export of the upstream's own is not reachable through us, and in
// the modes off and read no other operation is.
func setExport(o *object, us ours, level bulkdata.Level, name string) error {
	list, err := parseArray(o.get("operation"))
	if err != nil {
		return err
	}
	kept := []object{}
	for _, raw := range list {
		op, err := parseObject(raw)
		if err != nil {
			return err
		}
		if us.proxy == proxyAll && !strings.Contains(strings.ToLower(op.text("name")), "export") {
			kept = append(kept, op)
		}
	}
	if level != "" && us.offers(level) {
		export := object{}
		export.set("name", "export")
		export.set("definition", bulkOperations+name)
		kept = append(kept, export)
	}
	o.set("operation", kept)
	return nil
}

// security replaces what the upstream says about itself: clients authorize here.
func security(tokenURL string) map[string]any {
	return map[string]any{
		"extension": []any{map[string]any{
			"url":       "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
			"extension": []any{map[string]any{"url": "token", "valueUri": tokenURL}},
		}},
		"service": []any{map[string]any{
			"coding": []any{map[string]any{
				"system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
				"code":   "SMART-on-FHIR", "display": "SMART-on-FHIR",
			}},
			"text": "OAuth 2.0 with SMART Backend Services",
		}},
		"description": "Access tokens come from the token endpoint by a signed client assertion (SMART Backend Services).",
	}
}
