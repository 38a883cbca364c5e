package fhirserver

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed data/synthetic-10/*.ndjson
var bundled embed.FS

// Server is the FHIR server. All methods may be called from any goroutine.
type Server struct{ o Options }

// New serves the bundled ten synthetic patients.
func New(o Options) (*Server, error) {
	data, err := fs.Sub(bundled, "data/synthetic-10")
	if err != nil {
		return nil, err
	}
	return Load(o, data)
}

// Load serves the resources of all *.ndjson files at the top of fsys.
func Load(o Options, fsys fs.FS) (*Server, error) { o, err := o.withDefaults(); return &Server{o: o}, err }

// ServeHTTP serves the FHIR API below Options.Base.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Handler serves the FHIR API and, beside it, the control endpoints:
// GET /_counts, POST /_counts/reset and GET /_oracle/{system|patient|group}?group=&follow=.
func (s *Server) Handler() http.Handler { return s }

// Resources gives the current bytes of all resources of a type, as they are
// served: compact JSON, one line each, no line feed, in the order of searches.
func (s *Server) Resources(typ string) [][]byte { return nil }

// Resource gives the current bytes of one resource, nil when there is none.
func (s *Server) Resource(typ, id string) []byte { return nil }

// Types are the types that have resources, sorted.
func (s *Server) Types() []string { return nil }

// PatientIDs are the ids of all patients, in the order of searches.
func (s *Server) PatientIDs() []string { return nil }

// Compartment is what a correct export of these patients holds, without followed
// references: for each type of the patient compartment, and Device, the rows its
// patient parameter (else subject, else the first compartment parameter) finds, each once.
func (s *Server) Compartment(patients []string) map[string][][]byte { return nil }

// Export is the full oracle. Level "system" is everything. Level "patient" and
// "group" are Compartment, the rows of the follow types it refers to (closure up
// to depth 3, never a row of a patient nobody asked for), and every Provenance
// with an exported row among its targets.
func (s *Server) Export(level string, patients []string, follow []string) map[string][][]byte {
	return nil
}

// Members are the patients of a Group as an export sees them: nested Groups
// expanded, inactive and ended members left out, each once, in order.
func (s *Server) Members(group string) []string { return nil }

// Put stores raw as a new version of its resource, stamped by the clock.
func (s *Server) Put(raw []byte) error { return nil }

// Delete marks a resource as deleted; its history is kept.
func (s *Server) Delete(typ, id string) error { return nil }

// Counts is a copy of the counters.
func (s *Server) Counts() Counts { return Counts{} }

// ResetCounts sets all counters to zero.
func (s *Server) ResetCounts() {}
