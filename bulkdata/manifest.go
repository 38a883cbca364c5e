package bulkdata

// Manifest is the body of a finished status request.
type Manifest struct {
	TransactionTime     string         `json:"transactionTime"`
	Request             string         `json:"request"`
	RequiresAccessToken bool           `json:"requiresAccessToken"`
	Output              []File         `json:"output"`
	Deleted             []File         `json:"deleted,omitzero"` // left out when nil
	Error               []File         `json:"error"`
	Extension           map[string]any `json:"extension,omitempty"`
}

// File is one file of a Manifest.
type File struct {
	Type  string `json:"type,omitempty"`
	URL   string `json:"url"`
	Count int64  `json:"count"`
}
