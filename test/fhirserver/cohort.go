package fhirserver

import (
	"strconv"
	"time"
)

// baseTime is the lastUpdated of the first loaded row; each next one is a
// millisecond later.
var baseTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// multiply adds the rows of as many copies as it takes to have this many
// patients. Copy 0 keeps the ids; in the others all rows that belong to a
// patient get new ones, and shared rows stay shared. In the last copy, rows of
// a patient that is too many are left out.
func (s *Server) multiply(l *loader, patients int) {
	base := len(l.patients())
	for copied, n := 0, 0; copied == 0 || n < patients; copied++ {
		s.addCopy(l, copied, min(base, patients-n))
		n += base
	}
}

func (s *Server) addCopy(l *loader, copied, patients int) {
	in := make([]bool, len(l.rows))
	ids := make([]string, len(l.rows))
	count := 0
	for i, r := range l.rows {
		shared := len(r.owners) == 0
		in[i] = shared && copied == 0 || !shared && r.owners[len(r.owners)-1] < patients
		if shared || copied == 0 {
			ids[i] = r.id
		} else if in[i] {
			ids[i] = uuid("copy", strconv.Itoa(copied), r.typ, r.id)
		}
		if in[i] {
			count++
		}
	}
	rows, versions := make([]row, count), make([]version, count)
	next := 0
	for i, r := range l.rows {
		if !in[i] {
			continue
		}
		v := &versions[next]
		*v = version{src: r.src, id: ids[i], ids: &ids, number: r.src.firstNumber(), updated: r.src.updated}
		s.stampLoaded(v)
		s.table(r.typ).add(&rows[next], v)
		next++
	}
}

// stampLoaded gives a loaded row its time, unless it came with one.
func (s *Server) stampLoaded(v *version) {
	if v.updated == 0 {
		v.updated = baseTime.UnixMilli() + s.loaded
	}
	s.loaded++
}

// addLoaded adds one more row after loading, as part of the data.
func (s *Server) addLoaded(raw []byte) error {
	raw, err := compact(raw)
	if err != nil {
		return err
	}
	h, err := readHead(raw)
	if err != nil {
		return err
	}
	v := &version{src: s.newPlainSource(h, raw, h.stamp("1", true)), id: h.id, number: 1}
	s.stampLoaded(v)
	s.table(h.typ).add(&row{}, v)
	return nil
}

// newPlainSource is a source that is not copied.
func (s *Server) newPlainSource(h head, raw []byte, edits []edit) *source {
	src := newSource(h, raw, edits)
	src.links = linksOf(src.params, raw, s.knownBase(), func(ref) int32 { return -1 })
	return src
}
