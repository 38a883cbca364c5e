package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxParams bounds the parameters of one search.
const maxParams = 200

// parseParams reads a query so that nobody behind us can read it differently: what cannot be decoded, and ";", is refused; order and
// repetitions stay (Go's url.Values would lose them).
func parseParams(raw string) ([]param, *problem) {
	bad := fail(http.StatusBadRequest, "invalid", "the query cannot be read")
	if strings.ContainsAny(raw, ";\x00\r\n") {
		return nil, bad
	}
	var params []param
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil || n == "" || strings.ContainsAny(n+v, "\x00\r\n") {
			return nil, bad
		}
		if params = append(params, param{n, v}); len(params) > maxParams {
			return nil, fail(http.StatusBadRequest, "too-costly", "too many parameters")
		}
	}
	return params, nil
}

// encodeParams writes them in one way, whatever they looked like.
func encodeParams(params []param) string {
	var b strings.Builder
	for i, p := range params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value))
	}
	return b.String()
}

// onlyJSON takes _format out, as JSON is all that passes, and refuses a request for another format.
func onlyJSON(params []param) ([]param, *problem) {
	for _, p := range params {
		if p.name == "_format" && !slices.Contains([]string{"", "json", "application/json", "application/fhir+json", "application/fhir json"}, p.value) {
			return nil, fail(http.StatusNotAcceptable, "not-supported", "JSON is the only format here")
		}
	}
	return slices.DeleteFunc(params, func(p param) bool { return p.name == "_format" }), nil
}
