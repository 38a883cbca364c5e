package fhirserver

import (
	"fmt"
	"slices"
	"strings"
)

// filter is one condition of a search; all of them must hold.
type filter struct {
	test   func(*match) bool
	lookup func() []*row // rows that may hold, in order, when there is an index; nil: none
}

// match is a row under test. It renders the row once, when a test needs its text.
type match struct {
	*version
	rendered []byte
	ready    bool
}

// take turns to the next row; false when it is deleted.
func (m *match) take(r *row) bool {
	m.version, m.ready = r.cur, false
	return r.live()
}

// resource is the text of the row with a placeholder for the base.
func (m *match) resource() []byte {
	if !m.ready {
		m.rendered, m.ready = m.appendTo(m.rendered[:0], basePlaceholder), true
	}
	return m.rendered
}

// newFilter reads one parameter. The caller holds a lock.
func (s *Server) newFilter(t *table, name, value, base string) (filter, error) {
	if group, ok := strings.CutPrefix(name, "_has:"); ok {
		return s.hasFilter(t, name, group, value)
	}
	name, modifier, _ := strings.Cut(name, ":")
	switch name {
	case "_id":
		if modifier != "" {
			return filter{}, unknownModifier(t.params, modifier)
		}
		return idFilter(t, splitValues(value)), nil
	case "_lastUpdated":
		if modifier != "" {
			return filter{}, unknownModifier(t.params, modifier)
		}
		return lastUpdatedFilter(splitValues(value))
	}
	p := t.params.byName[name]
	if p == nil {
		return filter{}, unknownParameter(t.params, name)
	}
	if modifier == "missing" && (value == "true" || value == "false") {
		return missingFilter(p, value == "true"), nil
	}
	if p.kind == "reference" {
		if modifier != "" && paramsOf(modifier) == nil {
			return filter{}, unknownModifier(t.params, modifier)
		}
		return s.referenceFilter(t, p, modifier, splitValues(value), base), nil
	}
	switch {
	case modifier == "" && p.kind == "date":
		return dateParamFilter(p, splitValues(value))
	case modifier == "" && p.kind == "token":
		return tokenFilter(p, splitValues(value), false), nil
	case modifier == "not" && p.kind == "token":
		return tokenFilter(p, splitValues(value), true), nil
	case (modifier == "" || modifier == "exact") && p.kind == "string":
		return stringFilter(p, splitValues(value), modifier == "exact"), nil
	}
	return filter{}, unknownModifier(t.params, modifier)
}

func idFilter(t *table, values []string) filter {
	want := map[string]bool{}
	for _, value := range values {
		want[strings.TrimPrefix(value, t.params.name+"/")] = true
	}
	return filter{
		test: func(m *match) bool { return want[m.id] },
		lookup: func() []*row {
			var rows []*row
			for id := range want {
				if r := t.byID[id]; r != nil {
					rows = append(rows, r)
				}
			}
			slices.SortFunc(rows, bySeq)
			return rows
		},
	}
}

func lastUpdatedFilter(values []string) (filter, error) {
	dates, err := dateFilters(values)
	return filter{test: func(m *match) bool { return anyDate(dates, timeRange{m.updated, m.updated + 1}) }}, err
}

func missingFilter(p *param, want bool) filter {
	return filter{test: func(m *match) bool {
		missing := true
		for _, path := range p.paths {
			eachAt(m.resource(), path.elements, func([]byte) { missing = false })
		}
		return missing == want
	}}
}

// referenceFilter takes "id", "Type/id" and the same below the base.
func (s *Server) referenceFilter(t *table, p *param, onlyType string, values []string, base string) filter {
	want := map[ref]bool{} // typ "": any
	for _, value := range values {
		to := ref{onlyType, value}
		if typ, id, ok := localReference(value, base); ok {
			to = ref{typ, id}
		}
		if to.typ == "" && (p.name == "patient" || len(p.paths) == 1 && p.paths[0].target != "") {
			to.typ = p.target()
		}
		if onlyType == "" || onlyType == to.typ {
			want[to] = true
		}
	}
	f := filter{test: func(m *match) bool {
		found := false
		p.references(m.resource(), base, func(typ, id string) {
			found = found || want[ref{typ, id}] || want[ref{"", id}]
		})
		return found
	}}
	if p.indexed {
		f.lookup = func() []*row { return s.lookupReferences(t, p, want) }
	}
	return f
}

func (p *param) target() string {
	if p.name == "patient" {
		return "Patient"
	}
	return p.paths[0].target
}

func (s *Server) lookupReferences(t *table, p *param, want map[ref]bool) []*row {
	index := t.index[p.name]
	var lists [][]*row
	add := func(to ref) {
		if rows := index[to]; len(rows) > 0 {
			lists = append(lists, rows)
		}
	}
	for to := range want {
		if to.typ != "" {
			add(to)
			continue
		}
		for typ := range s.tables {
			add(ref{typ, to.id})
		}
	}
	if len(lists) == 1 {
		return lists[0][:len(lists[0]):len(lists[0])]
	}
	rows := slices.Concat(lists...)
	slices.SortFunc(rows, bySeq)
	return slices.Compact(rows)
}

func bySeq(a, b *row) int { return int(a.seq - b.seq) }

// hasFilter knows one reverse chain, _has:Group:member:_id: the patients of a Group.
func (s *Server) hasFilter(t *table, name, chain, value string) (filter, error) {
	if t.params.name != "Patient" || chain != "Group:member:_id" {
		return filter{}, invalid(fmt.Sprintf("Of _has this server knows Patient?_has:Group:member:_id, not %s?%s", t.params.name, name))
	}
	in := map[string]bool{}
	groups := s.tables["Group"]
	for _, group := range splitValues(value) {
		if !groups.has(group) {
			continue
		}
		groups.params.byName["member"].references(groups.byID[group].cur.appendTo(nil, basePlaceholder), s.knownBase(), func(typ, id string) {
			in[id] = in[id] || typ == "Patient"
		})
	}
	return filter{test: func(m *match) bool { return in[m.id] }}, nil
}
