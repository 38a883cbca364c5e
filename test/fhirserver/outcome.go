package fhirserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// outcomeError is an answer that is an OperationOutcome. Texts and codes are
// those of HAPI 8.8, as recorded, but for 405.
type outcomeError struct {
	status      int
	code        string
	diagnostics string
	header      http.Header
}

func (e *outcomeError) Error() string { return e.diagnostics }

func (e *outcomeError) body() []byte {
	return outcome("error", e.code, e.diagnostics)
}

// outcome is an OperationOutcome with one issue.
func outcome(severity, code, diagnostics string) []byte {
	type issue struct {
		Severity    string `json:"severity"`
		Code        string `json:"code"`
		Diagnostics string `json:"diagnostics"`
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		ResourceType string  `json:"resourceType"`
		Issue        []issue `json:"issue"`
	}{"OperationOutcome", []issue{{severity, code, diagnostics}}})
	if err != nil {
		panic(err) // strings always encode
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

func refusal(status int, format string, args ...any) *outcomeError {
	return &outcomeError{status: status, code: "processing", diagnostics: fmt.Sprintf(format, args...)}
}

func invalid(diagnostics string) *outcomeError {
	return refusal(http.StatusBadRequest, "%s", diagnostics)
}

func badQuantity(value string) *outcomeError {
	return invalid(`HAPI-1940: Invalid date/time/quantity format: "` + value + `"`)
}

func badDate(value string) *outcomeError {
	return invalid(`HAPI-1882: Invalid date/time format: "` + value + `"`)
}

func unknownParameter(t *typeParams, name string) *outcomeError {
	return invalid(fmt.Sprintf("HAPI-0524: Unknown search parameter %q for resource type %q. Valid search parameters for this search are: [%s]",
		name, t.name, strings.Join(t.names(), ", ")))
}

func unknownModifier(t *typeParams, modifier string) *outcomeError {
	return invalid(fmt.Sprintf(`HAPI-2498: Unsupported search modifier(s): "[:%s]" for resource type %q. Valid search modifiers are: [:exact, :missing, :not]`,
		modifier, t.name))
}

func unknownResource(typ, id string) *outcomeError {
	return refusal(http.StatusNotFound, "HAPI-2001: Resource %s/%s is not known", typ, id)
}

func goneResource(typ, id, at string) *outcomeError {
	return refusal(http.StatusGone, "Resource was deleted at %s", at).with("Location", typ+"/"+id)
}

func unknownVersion(typ, id, version string) *outcomeError {
	return refusal(http.StatusNotFound, "HAPI-0979: Version %q is not valid for resource %s/%s", version, typ, id)
}

func expiredSearch(id string) *outcomeError {
	return refusal(http.StatusGone, "HAPI-0417: Search ID %q does not exist and may have expired", id)
}

// unhandled is what HAPI says to a path it has no operation for: compartment
// searches, $export and other operations.
func unhandled(method, path string, names []string) *outcomeError {
	return &outcomeError{status: http.StatusBadRequest, code: "not-supported", diagnostics: fmt.Sprintf(
		"Invalid request: The FHIR endpoint on this server does not know how to handle %s operation[%s] with parameters [[%s]]",
		method, path, strings.Join(names, ", "))}
}

func wrongMethod(method string, allowed ...string) *outcomeError {
	e := refusal(http.StatusMethodNotAllowed, "Method %s is not allowed here", method)
	e.code = "not-supported"
	return e.with("Allow", strings.Join(allowed, ", "))
}

func (e *outcomeError) with(name, value string) *outcomeError {
	if e.header == nil {
		e.header = http.Header{}
	}
	e.header.Set(name, value)
	return e
}
