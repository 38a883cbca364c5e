package fhirserver

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query is a search request, read.
type query struct {
	table    *table
	filters  []filter
	sort     []sortKey
	count    int
	onlyHow  bool // _summary=count or _count=0: the total only
	total    bool
	elements []string
	rev      bool
	includes []include
}

// include is a reference parameter whose targets come along.
type include struct {
	param  *param
	target string // only of this type, "" for any
}

type sortKey struct {
	name string // "_id" or "_lastUpdated"
	down bool
}

// parseQuery reads the parameters of a search. The caller holds a lock.
func (s *Server) parseQuery(t *table, params url.Values, base string) (*query, error) {
	q := &query{table: t, count: s.o.DefaultCount}
	for _, name := range parameterNames(params) {
		for _, value := range params[name] {
			if value == "" {
				continue // as HAPI does: an empty value is no condition at all
			}
			if err := s.parseParameter(q, name, value, base); err != nil {
				return nil, err
			}
		}
	}
	if q.elements != nil && params.Has("_summary") {
		return nil, invalid("HAPI-0304: Cannot combine the _summary and _elements parameters")
	}
	return q, nil
}

func (s *Server) parseParameter(q *query, name, value, base string) error {
	var err error
	switch name {
	case "_format", "_pretty":
	case "_count":
		q.count, err = s.parseCount(value)
		q.onlyHow = q.onlyHow || q.count == 0
	case "_summary":
		q.onlyHow = q.onlyHow || value == "count"
		if value != "count" && value != "false" {
			return invalid("Of _summary this server knows count and false")
		}
	case "_total":
		q.total = value == "accurate" || value == "estimate"
	case "_elements":
		for _, element := range splitValues(value) {
			element = strings.TrimPrefix(element, q.table.params.name+".")
			q.elements = append(q.elements, element)
		}
	case "_sort":
		err = q.parseSort(value)
	case "_include":
		err = q.parseInclude(value)
	case "_revinclude":
		if value != "Provenance:target" {
			return invalid(fmt.Sprintf("HAPI-2018: Invalid _revinclude parameter value: %q. ", value))
		}
		q.rev = true
	default:
		var f filter
		if f, err = s.newFilter(q.table, name, value, base); err == nil {
			q.filters = append(q.filters, f)
		}
	}
	return err
}

func (s *Server) parseCount(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, invalid("HAPI-0375: Invalid _count value: " + value)
	}
	return min(n, s.o.MaxCount), nil
}

func (q *query) parseSort(value string) error {
	for _, name := range splitValues(value) {
		key := sortKey{name: name}
		key.name, key.down = strings.CutPrefix(name, "-")
		if key.name != "_id" && key.name != "_lastUpdated" {
			return invalid(fmt.Sprintf("HAPI-1194: Unknown _sort parameter value %q for resource type %q (Note: sort parameters values must use a valid Search Parameter). Valid values for this search are: [_id, _lastUpdated]",
				key.name, q.table.params.name))
		}
		q.sort = append(q.sort, key)
	}
	return nil
}

func (q *query) parseInclude(value string) error {
	parts := strings.Split(value, ":")
	refused := func(why string) error {
		return invalid(fmt.Sprintf("HAPI-2017: Invalid _include parameter value: %q. %s", value, why))
	}
	if len(parts) < 2 || len(parts) > 3 {
		return refused("")
	}
	if parts[0] != q.table.params.name {
		return refused(fmt.Sprintf("Invalid/unsupported resource type: %q", parts[0]))
	}
	p := q.table.params.byName[parts[1]]
	if p == nil || p.kind != "reference" {
		return refused(fmt.Sprintf("Unknown search parameter %q for resource type %q", parts[1], parts[0]))
	}
	in := include{param: p}
	if len(parts) == 3 {
		in.target = parts[2]
	}
	q.includes = append(q.includes, in)
	return nil
}

// run finds the rows of a search. The caller holds a lock.
func (s *Server) run(q *query) []*row {
	rows, tests := q.candidates()
	if len(tests) > 0 || q.table.changed > 0 {
		kept := []*row{}
		m := match{}
		for _, r := range rows {
			if m.take(r) && !slices.ContainsFunc(tests, func(f filter) bool { return !f.test(&m) }) {
				kept = append(kept, r)
			}
		}
		rows = kept
	}
	if len(q.sort) > 0 {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, q.compare)
	}
	return rows
}

// candidates are the rows of the filter with the fewest, and the filters that
// are still to be tested on them. The rows may be shared: they are not to be changed.
func (q *query) candidates() ([]*row, []filter) {
	rows, best := q.table.rows[:len(q.table.rows):len(q.table.rows)], -1
	for i, f := range q.filters {
		if f.lookup == nil {
			continue
		}
		if found := f.lookup(); best < 0 || len(found) < len(rows) {
			rows, best = found, i
		}
	}
	if best < 0 || q.table.changed > 0 { // the index may be behind the rows
		return rows, q.filters
	}
	return rows, slices.Delete(slices.Clone(q.filters), best, best+1)
}

func (q *query) compare(a, b *row) int {
	for _, key := range q.sort {
		c := strings.Compare(a.cur.id, b.cur.id)
		if key.name == "_lastUpdated" {
			c = int(min(max(a.cur.updated-b.cur.updated, -1), 1))
		}
		if key.down {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// splitValues splits at commas that are not escaped.
func splitValues(value string) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && i+1 < len(value):
			i++
			if value[i] != ',' { // keep \| and \$ for those who look for them
				b.WriteByte('\\')
			}
			b.WriteByte(value[i])
		case c == ',':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(out, b.String())
}
