package bulkdata

// Prefer is what the Prefer headers of a request ask for (RFC 7240).
type Prefer struct {
	RespondAsync         bool
	Handling             string // "", "strict", "lenient"
	SeparateExportStatus bool
}

// ParsePrefer reads all Prefer headers of a request.
func ParsePrefer(headers []string) Prefer { return Prefer{} }
