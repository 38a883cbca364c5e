package pull

import "slices"

// Result is a finished pull: every file is whole, its lines are right, and its count agrees with the manifest.
type Result struct {
	TransactionTime string  `json:"transactionTime"`
	Status          string  `json:"status"` // the status URL; a DELETE there frees the server of the export
	Output          []File  `json:"output"`
	Deleted         []File  `json:"deleted"` // Bundles of what was deleted since Options.Since
	Errors          []File  `json:"error"`   // OperationOutcomes: what is missing, and what is worth knowing
	Issues          []Issue `json:"issues"`  // what the files of Errors say, most frequent first
}

// File is one downloaded file.
type File struct {
	Type   string `json:"type,omitempty"` // resource type of its lines; "" in a file organised by patient
	Path   string `json:"path"`
	Lines  int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of the file as it lies in the folder
}

// Issue is one kind of issue in the error files.
type Issue struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Text     string `json:"text,omitempty"`
	Count    int64  `json:"count"`
}

// Files are all files of the pull, in the order of the manifest.
func (r *Result) Files() []File { return slices.Concat(r.Output, r.Deleted, r.Errors) }
