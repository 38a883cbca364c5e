package bulkdata

import "encoding/json"

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

// MarshalJSON writes output and error as arrays, also when there are none (MAN-04, MAN-08).
func (m Manifest) MarshalJSON() ([]byte, error) {
	type plain Manifest
	if m.Output == nil {
		m.Output = []File{}
	}
	if m.Error == nil {
		m.Error = []File{}
	}
	return json.Marshal(plain(m))
}

// File is one file of a Manifest.
type File struct {
	Type  string `json:"type,omitempty"`
	URL   string `json:"url"`
	Count int64  `json:"count"`
}
