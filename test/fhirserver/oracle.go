package fhirserver

import (
	"maps"
	"slices"
)

// Compartment is what a correct export of these patients holds, without followed
// references: for each type of the patient compartment, and Device, the rows its
// patient parameter (else subject, else the first compartment parameter) finds, each once.
func (s *Server) Compartment(patients []string) map[string][][]byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bytes(s.compartment(patients))
}

// Export is the full oracle. Level "system" is everything. Level "patient" and
// "group" are Compartment, the rows of the follow types it refers to (closure up
// to Options.FollowDepth, never a row of a patient nobody asked for), and every Provenance
// with an exported row among its targets.
func (s *Server) Export(level string, patients []string, follow []string) map[string][][]byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bytes(s.export(level, patients, follow))
}

func (s *Server) export(level string, patients []string, follow []string) rowSet {
	if level == "system" {
		all := rowSet{}
		for typ, t := range s.tables {
			for _, r := range t.liveRows() {
				all.add(typ, r)
			}
		}
		return all
	}
	rows := s.compartment(patients)
	s.addProvenance(rows)
	s.follow(rows, patients, follow)
	s.addProvenance(rows)
	return rows
}

// rowSet is a set of rows by type.
type rowSet map[string]map[*row]bool

// add says whether the row is new.
func (set rowSet) add(typ string, r *row) bool {
	if set[typ] == nil {
		set[typ] = map[*row]bool{}
	}
	if set[typ][r] {
		return false
	}
	set[typ][r] = true
	return true
}

// bytes renders a set, each type in the order of its table.
func (s *Server) bytes(set rowSet) map[string][][]byte {
	out := map[string][][]byte{}
	for typ := range set {
		out[typ] = s.render(set.sorted(typ))
	}
	return out
}

// sorted are the rows of a type in the order of its table.
func (set rowSet) sorted(typ string) []*row {
	return slices.SortedFunc(maps.Keys(set[typ]), bySeq)
}

// compartment looks at every row itself, not at the index that searches use.
func (s *Server) compartment(patients []string) rowSet {
	in := map[string]bool{}
	for _, id := range patients {
		in[id] = true
	}
	set := rowSet{}
	for typ, t := range s.tables {
		if t.params.patientParam() == "" {
			continue
		}
		for _, r := range t.liveRows() {
			if slices.ContainsFunc(s.patientsOf(t, r), func(id string) bool { return in[id] }) {
				set.add(typ, r)
			}
		}
	}
	return set
}

// patientsOf are the patients a row belongs to by the patient parameter of its type.
func (s *Server) patientsOf(t *table, r *row) []string {
	name := t.params.patientParam()
	switch name {
	case "":
		return nil
	case "_id":
		return []string{r.cur.id}
	}
	var ids []string
	base := s.knownBase()
	t.params.byName[name].references(r.cur.appendTo(nil, base), base, func(typ, id string) {
		if typ == "Patient" {
			ids = append(ids, id)
		}
	})
	return ids
}

// addProvenance adds every Provenance that has a row of the set among its targets.
func (s *Server) addProvenance(set rowSet) {
	t := s.tables["Provenance"]
	base := s.knownBase()
	for _, r := range t.liveRows() {
		t.params.byName["target"].references(r.cur.appendTo(nil, base), base, func(typ, id string) {
			if target := s.tables[typ]; target.has(id) && set[typ][target.byID[id]] {
				set.add("Provenance", r)
			}
		})
	}
}

// follow adds the rows of some types that rows of the set refer to.
func (s *Server) follow(set rowSet, patients, types []string) {
	asked := map[string]bool{}
	for _, id := range patients {
		asked[id] = true
	}
	foreign := func(t *table, r *row) bool {
		owners := s.patientsOf(t, r)
		return len(owners) > 0 && !slices.ContainsFunc(owners, func(id string) bool { return asked[id] })
	}
	var last []*row
	for _, rows := range set {
		for r := range rows {
			last = append(last, r)
		}
	}
	base := s.knownBase()
	for range s.o.FollowDepth {
		var found []*row
		for _, r := range last {
			text := r.cur.appendTo(nil, base)
			eachReference(text, func(at span) {
				typ, id, ok := localReference(string(text[at.from:at.to]), base)
				t := s.tables[typ]
				if !ok || typ == "Patient" || !slices.Contains(types, typ) || !t.has(id) {
					return
				}
				if r := t.byID[id]; !foreign(t, r) && set.add(typ, r) {
					found = append(found, r)
				}
			})
		}
		last = found
	}
}
