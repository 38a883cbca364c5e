package fhirserver

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Resources gives the current bytes of all resources of a type, as they are
// served: compact JSON, one line each, no line feed, in the order of searches.
func (s *Server) Resources(typ string) [][]byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.render(s.tables[typ].liveRows())
}

// Resource gives the current bytes of one resource, nil when there is none.
func (s *Server) Resource(typ, id string) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.tables[typ]; t.has(id) {
		return t.byID[id].cur.appendTo(nil, s.knownBase())
	}
	return nil
}

// Types are the types that have resources, sorted.
func (s *Server) Types() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var types []string
	for typ, t := range s.tables {
		if slices.ContainsFunc(t.rows, (*row).live) {
			types = append(types, typ)
		}
	}
	slices.Sort(types)
	return types
}

// PatientIDs are the ids of all patients, in the order of searches.
func (s *Server) PatientIDs() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.patientIDs()
}

func (s *Server) patientIDs() []string {
	var ids []string
	for _, r := range s.tables["Patient"].liveRows() {
		ids = append(ids, r.cur.id)
	}
	return ids
}

// Members are the patients of a Group as an export sees them: nested Groups
// expanded, inactive and ended members left out, each once, in order; nil when
// there is no such Group.
func (s *Server) Members(group string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.members(group)
}

// Put stores raw as a new version of its resource, stamped by the clock.
// versionId and lastUpdated in raw are replaced.
func (s *Server) Put(raw []byte) error { return s.PutAt(raw, s.o.Clock()) }

// PutAt is Put with the lastUpdated given: a server that commits late.
func (s *Server) PutAt(raw []byte, lastUpdated time.Time) error {
	raw, err := compact(raw)
	if err != nil {
		return fmt.Errorf("fhirserver: put: %w", err)
	}
	h, err := readHead(raw)
	if err == nil && h.id == "" {
		err = errors.New("resource without id")
	}
	if err != nil {
		return fmt.Errorf("fhirserver: put: %w", err)
	}
	s.put(h, raw, updated, lastUpdated)
	return nil
}

// put stores a checked resource; fresh says that there was none, or a deleted one.
func (s *Server) put(h head, raw []byte, by method, at time.Time) (v *version, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(h.typ)
	fresh = !t.has(h.id)
	v = &version{id: h.id, number: 1, method: by, updated: at.UnixMilli()}
	if old := t.byID[h.id]; old != nil {
		v.number = old.cur.number + 1
	}
	v.src = s.newPlainSource(h, raw, h.stamp(strconv.Itoa(int(v.number)), false))
	t.add(&row{}, v)
	return v, fresh
}

// Delete marks a resource as deleted; its history is kept. It is an error when
// there is no such resource.
func (s *Server) Delete(typ, id string) error {
	if !s.remove(typ, id) {
		return fmt.Errorf("fhirserver: delete: no such %s", typ)
	}
	return nil
}

func (s *Server) remove(typ, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[typ]
	if !t.has(id) {
		return false
	}
	old := t.byID[id].cur
	t.add(nil, &version{id: id, number: old.number + 1, method: deleted, updated: s.o.Clock().UnixMilli()})
	return true
}

// render gives the bytes of rows.
func (s *Server) render(rows []*row) [][]byte {
	base := s.knownBase()
	out := make([][]byte, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.cur.appendTo(make([]byte, 0, len(r.cur.src.text)+36*len(r.cur.src.holes)), base))
	}
	return out
}

// liveRows are the rows that are not deleted; a nil table has none.
func (t *table) liveRows() []*row {
	if t == nil {
		return nil
	}
	if t.changed == 0 {
		return t.rows[:len(t.rows):len(t.rows)]
	}
	var rows []*row
	for _, r := range t.rows {
		if r.live() {
			rows = append(rows, r)
		}
	}
	return rows
}

func (t *table) has(id string) bool { return t != nil && t.byID[id].live() }
