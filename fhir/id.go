package fhir

// Media types of FHIR R4 JSON and of the files of a bulk export.
const (
	MediaType       = "application/fhir+json"
	MediaTypeNDJSON = "application/fhir+ndjson"
)

// ValidID reports whether s is a FHIR id: 1 to 64 letters, digits, "-" and ".". "." and ".." are refused: as path segments they
// would name something else.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > 64 || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}
