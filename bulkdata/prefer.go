package bulkdata

import "strings"

// Prefer is what the Prefer headers of a request ask for (RFC 7240).
type Prefer struct {
	RespondAsync         bool
	Handling             string // "", "strict", "lenient"
	SeparateExportStatus bool
}

// ParsePrefer reads all Prefer headers of a request: several headers, commas, parameters, any letter case. Unknown preferences are
// ignored; of a preference given twice the first counts.
func ParsePrefer(headers []string) Prefer {
	var p Prefer
	for _, h := range headers {
		for _, pref := range splitOutside(h, ',') {
			token := splitOutside(pref, ';')[0]
			name, value, _ := strings.Cut(token, "=")
			value = strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`))
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "respond-async":
				p.RespondAsync = true
			case "separate-export-status":
				p.SeparateExportStatus = true
			case "handling":
				if p.Handling == "" && (value == "strict" || value == "lenient") {
					p.Handling = value
				}
			}
		}
	}
	return p
}

// splitOutside splits at sep where it stands outside a quoted string.
func splitOutside(s string, sep byte) []string {
	var out []string
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			out, from = append(out, s[from:i]), i+1
		}
	}
	return append(out, s[from:])
}
