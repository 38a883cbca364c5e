package fhirserver

import (
	"slices"
	"strconv"
	"time"
)

// table holds the resources of one type.
type table struct {
	params  *typeParams
	rows    []*row // in the order they came; deleted ones stay. Only ever appended to.
	byID    map[string]*row
	index   map[string]map[ref][]*row // by indexed parameter and reference; may hold rows that changed since
	changed int                       // rows with more than one version
}

type ref struct{ typ, id string }

// row is one resource through all its versions.
type row struct {
	cur   *version
	older []*version // oldest first
	seq   int32      // place in the table
}

// version is one version of a resource. It never changes.
type version struct {
	src     *source // nil: deleted
	id      string
	ids     *[]string // what the id holes of src are filled with
	number  int32     // 1, 2, …
	method  method    // what made it
	updated int64     // Unix ms
}

type method uint8

const (
	created method = iota
	updated
	deleted
)

func (v *version) versionID() string {
	if v.src != nil && v.src.given != "" {
		return v.src.given
	}
	return strconv.Itoa(int(v.number))
}

func (v *version) lastUpdated() time.Time { return time.UnixMilli(v.updated).UTC() }

// instant is how FHIR instants are written, as HAPI does: milliseconds and +00:00.
const instant = "2006-01-02T15:04:05.000-07:00"

// appendTo appends the resource as it is served below base.
func (v *version) appendTo(dst []byte, base string) []byte {
	done := int32(0)
	for _, h := range v.src.holes {
		dst = append(dst, v.src.text[done:h.at]...)
		done = h.at
		switch h.kind {
		case idHole:
			dst = append(dst, (*v.ids)[h.number]...)
		case timeHole:
			dst = v.lastUpdated().AppendFormat(dst, instant)
		case baseHole:
			dst = append(dst, base...)
		}
	}
	return append(dst, v.src.text[done:]...)
}

// live says whether the row is there and not deleted.
func (r *row) live() bool { return r != nil && r.cur.src != nil }

// find is the version with this id, nil when there is none.
func (r *row) find(versionID string) *version {
	if r.cur.versionID() == versionID {
		return r.cur
	}
	i := slices.IndexFunc(r.older, func(v *version) bool { return v.versionID() == versionID })
	if i < 0 {
		return nil
	}
	return r.older[i]
}

func newTable(params *typeParams) *table {
	t := &table{params: params, byID: map[string]*row{}, index: map[string]map[ref][]*row{}}
	for _, p := range params.all {
		if p.indexed {
			t.index[p.name] = map[ref][]*row{}
		}
	}
	return t
}

// add makes a version the current one of its resource; a new resource goes to the end.
func (t *table) add(r *row, v *version) {
	old := t.byID[v.id]
	if old == nil {
		r.cur, r.seq = v, int32(len(t.rows))
		t.rows = append(t.rows, r)
		t.byID[v.id] = r
	} else {
		r = old
		if len(r.older) == 0 {
			t.changed++
		}
		r.older = append(r.older, r.cur)
		r.cur = v
	}
	if v.src == nil {
		return
	}
	for _, l := range v.src.links {
		to := ref{l.typ, l.id}
		if l.number >= 0 {
			to.id = (*v.ids)[l.number]
		}
		t.post(l.param.name, to, r)
	}
}

// post lists a row in the index, once, in the order of the table.
func (t *table) post(param string, to ref, r *row) {
	list := t.index[param][to]
	if n := len(list); n == 0 || list[n-1].seq < r.seq {
		t.index[param][to] = append(list, r)
		return
	}
	i, found := slices.BinarySearchFunc(list, r.seq, func(r *row, seq int32) int { return int(r.seq - seq) })
	if !found { // stored searches may share the old list: leave it
		t.index[param][to] = slices.Insert(slices.Clone(list), i, r)
	}
}
