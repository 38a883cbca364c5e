package fhirserver

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

//go:embed data/synthetic-10/*.ndjson
var bundled embed.FS

// Server is the FHIR server. All methods may be called from any goroutine.
type Server struct {
	o        Options
	base     atomic.Pointer[string] // absolute URL, nil until it is known
	names    atomic.Int64           // ids given out
	searches *searches
	counter  counter

	mu     sync.RWMutex // guards what follows and all tables
	tables map[string]*table
	loaded int64 // rows loaded so far
}

// New serves the bundled ten synthetic patients.
func New(o Options) (*Server, error) {
	data, err := fs.Sub(bundled, "data/synthetic-10")
	if err != nil {
		return nil, err
	}
	return Load(o, data)
}

// Load serves the resources of all *.ndjson files at the top of fsys.
func Load(o Options, fsys fs.FS) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, tables: map[string]*table{}}
	s.searches = newSearches(o.MaxSearches, o.SearchTTL, o.ReuseSearch)
	s.counter.init(o.LogSize)
	if o.PublicBase != "" {
		s.base.Store(&o.PublicBase)
	}
	l, err := readFolder(fsys)
	if err != nil {
		return nil, fmt.Errorf("fhirserver: load: %w", err)
	}
	if err := s.fill(l); err != nil {
		return nil, fmt.Errorf("fhirserver: load: %w", err)
	}
	return s, nil
}

func (s *Server) fill(l *loader) error {
	l.own()
	multiplied := s.o.Patients > 0 && len(l.patients()) > 0
	patients := len(l.patients())
	if multiplied {
		patients = s.o.Patients
		l.cut(min(patients, len(l.patients())))
		l.keep(func(r *loaded) bool { return r.typ != "Group" || r.id != "half" })
	}
	if s.o.Extras {
		if err := l.addExtras(extraRows); err != nil {
			return err
		}
	}
	if s.o.Dangling {
		if err := l.addExtras(danglingRow); err != nil {
			return err
		}
	}
	l.own()
	if err := l.sources(); err != nil {
		return err
	}
	for _, typ := range emptyTypes {
		s.table(typ)
	}
	s.multiply(l, patients)
	return s.addGroups(multiplied)
}

// emptyTypes are served though nothing is there, as most servers do.
var emptyTypes = []string{"ClinicalImpression", "DetectedIssue", "FamilyMemberHistory", "NutritionOrder", "RiskAssessment", "VisionPrescription"}

// table is the table of a type, made when there is none. The caller may write.
func (s *Server) table(typ string) *table {
	t := s.tables[typ]
	if t == nil {
		t = newTable(paramsOf(typ))
		s.tables[typ] = t
	}
	return t
}

// newID gives out uuid-shaped ids, the same ones in each run.
func (s *Server) newID() string { return uuid("new", strconv.FormatInt(s.names.Add(1), 10)) }

// knownBase is the absolute URL of the base, "" before the first request.
func (s *Server) knownBase() string {
	if base := s.base.Load(); base != nil {
		return *base
	}
	return ""
}

// baseFor is the absolute URL of the base; the first request settles it.
func (s *Server) baseFor(r *http.Request) string {
	if base := s.knownBase(); base != "" {
		return base
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	base := scheme + "://" + r.Host + s.o.Base
	s.base.CompareAndSwap(nil, &base)
	return s.knownBase()
}
