package fhirserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Handler serves the FHIR API and, beside it, the control endpoints for a server
// in a process of its own:
//
//	GET  /_counts                                     Counts as JSON
//	GET  /_busiest?span=1s                            Busiest as a number
//	POST /_counts/reset                               ResetCounts
//	GET  /_oracle/{system|patient|group}?group=&follow=Type,Type   Export as NDJSON
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.HandleFunc("GET /_counts", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Counts()) // the client is gone: nothing to do
	})
	mux.HandleFunc("GET /_busiest", func(w http.ResponseWriter, r *http.Request) {
		span, err := time.ParseDuration(r.URL.Query().Get("span"))
		if err != nil {
			http.Error(w, "span is a duration such as 1s", http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, s.Busiest(span))
	})
	mux.HandleFunc("POST /_counts/reset", func(w http.ResponseWriter, r *http.Request) {
		s.ResetCounts()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_oracle/{level}", s.oracle)
	return mux
}

func (s *Server) oracle(w http.ResponseWriter, r *http.Request) {
	s.baseFor(r)
	level, query := r.PathValue("level"), r.URL.Query()
	var patients []string
	switch level {
	case "system":
	case "patient":
		patients = s.PatientIDs()
	case "group":
		if patients = s.Members(query.Get("group")); patients == nil {
			http.Error(w, "no such group", http.StatusNotFound)
			return
		}
	default:
		http.Error(w, "level is system, patient or group", http.StatusBadRequest)
		return
	}
	var follow []string
	if value := query.Get("follow"); value != "" {
		follow = strings.Split(value, ",")
	}
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	var line []byte
	for _, v := range s.exported(level, patients, follow) {
		line = append(v.appendTo(line[:0], s.knownBase()), '\n')
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

// exported is Export before it is rendered: much smaller, and good without a lock.
func (s *Server) exported(level string, patients, follow []string) []*version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	set := s.export(level, patients, follow)
	var out []*version
	for _, typ := range slices.Sorted(maps.Keys(set)) {
		for _, r := range set.sorted(typ) {
			out = append(out, r.cur)
		}
	}
	return out
}
