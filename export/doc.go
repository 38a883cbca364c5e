// Package export holds what an export is in storage, shared by the side that writes it (fanout) and the side that serves it
// (gateway): the records spec, plan, commit and manifest with their keys and format number, and the virtual files that clients
// download.
//
// Storage is the truth: every record is written once, by create-if-absent, and never changed. What a record says holds even when
// Redis has forgotten everything. The package knows nothing of HTTP, of Redis or of the upstream.
package export
