package bulkdata

import (
	"mime"
	"strings"
)

// AcceptOK reports whether the Accept header of a kick-off allows our answer (KICK-08): absent, any, or JSON in one of its names.
func AcceptOK(accept string) bool {
	if strings.TrimSpace(accept) == "" {
		return true
	}
	for part := range strings.SplitSeq(accept, ",") {
		typ, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil && typ == "" || strings.Trim(params["q"], "0.") == "" && params["q"] != "" {
			continue
		}
		switch typ {
		case "*/*", "application/*", "application/json", "application/fhir+json":
			return true
		}
	}
	return false
}
