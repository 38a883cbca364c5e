package fanout

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/export"
	"sluice/fhir"
)

// chain is all one search gives: its pages, one after another.
type chain struct {
	typ     string
	scope   string          // "Patient/id", a followed reference or "": for error lines
	query   fhir.Query      // for searches
	read    *fhir.Reference // fetched by id, when not searched for
	patient string          // the patient asked for; "": not asked by patient
	paths   []string        // where rows refer to the patient
	asked   map[string]bool // ids asked for in a wave; nil elsewhere
	window  bool            // cut by _since
	absent  bool            // say so when nothing is found
	skip    bool            // nothing to ask
}

// shape is the work of one chunk: chains by type, item and split, always in this order.
type shape struct {
	types  []string
	items  func(t int) int
	splits func(t int) int
	chain  func(t, i, s int) (chain, error)
	people int64 // patients of the chunk, for progress
}

// shapeOf lays out the chains of a chunk.
func (e *Engine) shapeOf(ctx context.Context, j *job, p *export.Plan, n int64) (*shape, error) {
	first, err := j.plan(ctx, e.Store, 0)
	if err != nil {
		return nil, err
	}
	since := j.spec.Request.Since
	if p.Wave == 0 && j.system() {
		return systemShape(first.Searches[n-p.Base], since), nil
	}
	from := int(n-p.Base) * p.ChunkSize
	ls, err := lines(ctx, e.Store, p, from, from+p.ChunkSize)
	if err != nil {
		return nil, err
	}
	if p.Wave == 0 {
		return patientShape(first.Searches, ls, since), nil
	}
	return waveShape(first.Searches, ls)
}

// ask adds what every search of a type needs: page size, required extras, the time window as the upstream can tell it.
func ask(q fhir.Query, s fhir.TypeSearch, split int, since time.Time) fhir.Query {
	if len(s.Extra) > 0 {
		for _, x := range s.Extra[split] {
			q = q.With(x.Name, x.Value)
		}
	}
	if s.Count > 0 {
		q = q.With("_count", fmt.Sprint(s.Count))
	}
	if !since.IsZero() && s.Since == "lastUpdated" {
		// DATA-20: ask from the beginning of the second, cut exactly here.
		q = q.With("_lastUpdated", "ge"+since.UTC().Format("2006-01-02T15:04:05Z"))
	}
	return q
}

func splitsOf(s fhir.TypeSearch) int { return max(len(s.Extra), 1) }

// systemShape scans one type.
func systemShape(s fhir.TypeSearch, since time.Time) *shape {
	return &shape{
		types:  []string{s.Type},
		items:  func(int) int { return 1 },
		splits: func(int) int { return splitsOf(s) },
		chain: func(_, _, split int) (chain, error) {
			q, err := fhir.SystemQuery(s.Type)
			return chain{typ: s.Type, query: ask(q, s, split, since), window: true}, err
		},
	}
}

// patientShape asks for each type patient by patient. Followed types (no parameter) are left to the waves.
func patientShape(all []fhir.TypeSearch, patients []string, since time.Time) *shape {
	var searches []fhir.TypeSearch
	var types []string
	for _, s := range all {
		if s.Param != "" {
			searches, types = append(searches, s), append(types, s.Type)
		}
	}
	provenance := slices.ContainsFunc(all, func(s fhir.TypeSearch) bool { return s.Type == "Provenance" && s.Param == "" })
	return &shape{
		types:  types,
		items:  func(int) int { return len(patients) },
		splits: func(t int) int { return splitsOf(searches[t]) },
		people: int64(len(patients)),
		chain: func(t, i, split int) (chain, error) {
			s := searches[t]
			id, wants := member(patients[i])
			if !wants(s.Type) {
				return chain{typ: s.Type, skip: true}, nil
			}
			q, err := fhir.PatientQuery(s.Type, s.Param, id)
			if err != nil {
				return chain{}, err
			}
			q = ask(q, s, split, since)
			if s.RevInclude && provenance {
				q = q.With("_revinclude", "Provenance:target")
			}
			return chain{
				typ: s.Type, scope: "Patient/" + id, query: q, patient: id, paths: fhir.PatientPaths(s.Type, s.Param),
				window: true, absent: s.Type == "Patient" && since.IsZero(),
			}, nil
		},
	}
}

// refsPerSearch is how many ids one search of a wave asks for.
const refsPerSearch = 100

// waveShape reads the references of a chunk by id, type by type: in one search where the upstream takes lists of ids.
func waveShape(all []fhir.TypeSearch, refs []string) (*shape, error) {
	byType := map[string][]fhir.Reference{}
	var types []string
	for _, s := range refs {
		ref, ok := fhir.ParseReference(s)
		if !ok {
			return nil, fmt.Errorf("plan holds a line that is no reference")
		}
		if byType[ref.Type] == nil {
			types = append(types, ref.Type)
		}
		byType[ref.Type] = append(byType[ref.Type], ref)
	}
	how := make([]fhir.TypeSearch, len(types))
	for t, typ := range types {
		how[t] = fhir.TypeSearch{Type: typ}
		if i := slices.IndexFunc(all, func(s fhir.TypeSearch) bool { return s.Type == typ }); i >= 0 {
			how[t] = all[i]
		}
	}
	per := func(t int) int {
		if how[t].ByID {
			return refsPerSearch
		}
		return 1
	}
	return &shape{
		types:  types,
		items:  func(t int) int { return (len(byType[types[t]]) + per(t) - 1) / per(t) },
		splits: func(int) int { return 1 },
		chain: func(t, i, _ int) (chain, error) {
			all := byType[types[t]]
			some := all[i*per(t) : min((i+1)*per(t), len(all))]
			c := chain{typ: types[t], asked: map[string]bool{}, absent: true}
			ids := make([]string, len(some))
			for k, ref := range some {
				ids[k], c.asked[ref.ID] = ref.ID, true
			}
			if !how[t].ByID {
				c.read, c.scope = &some[0], some[0].String()
				return c, nil
			}
			q, err := fhir.IDQuery(c.typ, ids...)
			c.query = q.With("_count", fmt.Sprint(refsPerSearch))
			c.scope = strings.Join([]string{c.typ, "by id"}, " ")
			return c, err
		},
	}, nil
}

// after returns the position after the split at pos, and false at the end of the chunk.
func (s *shape) after(pos export.Position) (export.Position, bool) {
	pos = export.Position{Type: pos.Type, Item: pos.Item, Split: pos.Split}
	if pos.Split++; pos.Split < s.splits(pos.Type) {
		return pos, true
	}
	pos.Split = 0
	if pos.Item++; pos.Item < s.items(pos.Type) {
		return pos, true
	}
	pos.Item = 0
	for pos.Type++; pos.Type < len(s.types); pos.Type++ {
		if s.items(pos.Type) > 0 {
			return pos, true
		}
	}
	return pos, false
}
