package gateway

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/bulkdata"
)

const upstreamStatement = `{
 "resourceType":"CapabilityStatement","id":"hapi","url":"http://up:8080/fhir/CapabilityStatement/x","status":"active","kind":"instance","fhirVersion":"4.0.1",
 "implementation":{"description":"Test","url":"http://up:8080/fhir"},"x-unknown":{"n":1.10},
 "messaging":[{"documentation":"no"}],
 "rest":[
  {"mode":"client"},
  {"mode":"server","security":{"description":"basic"},
   "interaction":[{"code":"transaction"}],
   "operation":[{"name":"meta","definition":"http://up:8080/fhir/OperationDefinition/meta"},{"name":"export","definition":"x"}],
   "resource":[
    {"type":"Patient","interaction":[{"code":"read"},{"code":"update","documentation":"keep?"},{"code":"search-type"}],"conditionalUpdate":true,
     "searchParam":[{"name":"name","type":"string","x-odd":3.0}],"operation":[{"name":"everything","definition":"y"}]},
    {"type":"Basic","interaction":[{"code":"read"}]}
   ]}
 ]}`

func merge(t *testing.T, o ours) map[string]any {
	t.Helper()
	o.base, o.upstream, o.tokenURL = "https://gw/fhir", []string{"http://up:8080/fhir"}, "https://gw/auth/token"
	raw, err := mergeCapability([]byte(upstreamStatement), o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(raw), `{"resourceType":"CapabilityStatement","id":"hapi"`) || !strings.Contains(string(raw), `"n":1.10`) || !strings.Contains(string(raw), `"x-odd":3.0`) {
		t.Errorf("order, unknown elements or digits are lost: %s", raw)
	}
	if strings.Contains(string(raw), "up:8080") {
		t.Errorf("the upstream's address is told: %s", raw)
	}
	var s map[string]any
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// DISC-08 to DISC-11.
func TestMergeCapability(t *testing.T) {
	all := []bulkdata.Level{bulkdata.System, bulkdata.Patient, bulkdata.Group}
	exported := []string{"Group", "Patient"}
	export := func(name string) any {
		return map[string]any{"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/" + name}
	}
	codes := func(list any) (codes []string) {
		for _, i := range list.([]any) {
			codes = append(codes, i.(map[string]any)["code"].(string))
		}
		return codes
	}

	s := merge(t, ours{levels: all, exported: exported, proxy: proxyRead})
	if diff := cmp.Diff(s["instantiates"], []any{bulkStatement}); diff != "" {
		t.Errorf("DISC-10: (-got +want)\n%s", diff)
	}
	if got := s["implementation"].(map[string]any)["url"]; got != "https://gw/fhir" {
		t.Errorf("implementation.url: got %v", got)
	}
	if s["fhirVersion"] != "4.0.1" || s["messaging"] != nil {
		t.Errorf("got fhirVersion %v, messaging %v", s["fhirVersion"], s["messaging"])
	}
	rests := s["rest"].([]any)
	if len(rests) != 1 {
		t.Fatalf("DISC-08: got %d rest entries, want 1", len(rests))
	}
	rest := rests[0].(map[string]any)
	if diff := cmp.Diff(rest["operation"], []any{export("export")}); diff != "" {
		t.Errorf("DISC-09 system: (-got +want)\n%s", diff)
	}
	if rest["interaction"] != nil || rest["mode"] != "server" {
		t.Errorf("rest: got interaction %v, mode %v", rest["interaction"], rest["mode"])
	}
	if text, _ := json.Marshal(rest["security"]); !strings.Contains(string(text), "SMART-on-FHIR") || !strings.Contains(string(text), "https://gw/auth/token") {
		t.Errorf("security: got %s", text)
	}
	resources := rest["resource"].([]any)
	patient, basic, group := resources[0].(map[string]any), resources[1].(map[string]any), resources[2].(map[string]any)
	if diff := cmp.Diff(patient["operation"], []any{export("patient-export")}); diff != "" {
		t.Errorf("DISC-09 Patient: (-got +want)\n%s", diff)
	}
	if diff := cmp.Diff(codes(patient["interaction"]), []string{"read", "search-type"}); diff != "" {
		t.Errorf("interactions: (-got +want)\n%s", diff)
	}
	if patient["conditionalUpdate"] != nil || patient["extension"] != nil {
		t.Errorf("Patient: got %v", patient)
	}
	if diff := cmp.Diff(group["operation"], []any{export("group-export")}); diff != "" || group["type"] != "Group" {
		t.Errorf("DISC-09 Group: (-got +want)\n%s", diff)
	}
	want := []any{map[string]any{"url": bulkUnsupported, "valueCanonical": bulkStatement}}
	if diff := cmp.Diff(basic["extension"], want); diff != "" {
		t.Errorf("DISC-11: (-got +want)\n%s", diff)
	}
}

func TestMergeCapabilityTellsTheTruth(t *testing.T) {
	rest := func(s map[string]any) map[string]any { return s["rest"].([]any)[0].(map[string]any) }
	resource := func(s map[string]any) map[string]any { return rest(s)["resource"].([]any)[0].(map[string]any) }

	off := merge(t, ours{levels: []bulkdata.Level{bulkdata.Group}, proxy: proxyOff})
	if rest(off)["operation"] != nil || resource(off)["operation"] != nil || resource(off)["interaction"] != nil {
		t.Errorf("proxy off, Group only: got %v", rest(off))
	}
	all := merge(t, ours{levels: []bulkdata.Level{bulkdata.System}, proxy: proxyAll})
	if got := len(resource(all)["interaction"].([]any)); got != 3 {
		t.Errorf("proxy all: got %d interactions, want 3", got)
	}
	names := func(list any) (names []string) {
		for _, o := range list.([]any) {
			names = append(names, o.(map[string]any)["name"].(string))
		}
		return names
	}
	if diff := cmp.Diff(names(rest(all)["operation"]), []string{"meta", "export"}); diff != "" {
		t.Errorf("proxy all, operations: (-got +want)\n%s", diff)
	}
	if diff := cmp.Diff(names(resource(all)["operation"]), []string{"everything"}); diff != "" {
		t.Errorf("proxy all, operations of Patient: (-got +want)\n%s", diff)
	}
}

func TestMergeCapabilityRefusesWhatIsNone(t *testing.T) {
	for _, raw := range []string{``, `[]`, `{`, `{"rest":{}}`, `{"rest":[1]}`, `{"rest":[{"mode":"server","resource":[7]}]}`, `{"instantiates":1}`} {
		if out, err := mergeCapability([]byte(raw), ours{base: "https://gw"}); err == nil {
			t.Errorf("%s: got %s, want an error", raw, out)
		}
	}
}
