package fanout

import (
	"context"
	"slices"
	"strings"

	"sluice/fhir"
)

// patientsOf returns the ids of the patients that a row refers to through the parameter it was asked by. Where the paths of the
// parameter are not known, every reference of the row counts.
func (r *chunkRun) patientsOf(c chain, line []byte) []string {
	var ids []string
	add := func(s string) {
		if ref, ok := fhir.ParseReference(s, r.bases...); ok && ref.Type == "Patient" {
			ids = append(ids, ref.ID)
		}
	}
	if c.paths == nil {
		fhir.EachReference(line, add)
		return ids
	}
	for _, path := range c.paths {
		for _, s := range fhir.ReferencesAt(line, path) {
			add(s)
		}
	}
	return ids
}

// owner tells whether the patient at hand is the one whose chain writes a row. A row that several patients of the cohort share is
// written by the first of them in the plan: a pure function of the row and the plan, so that no two workers need to agree.
func (r *chunkRun) owner(c chain, line []byte) (owner, shared bool, err error) {
	ids := r.patientsOf(c, line)
	if !slices.ContainsFunc(ids, func(id string) bool { return id != c.patient }) {
		return true, false, nil // by far the most rows: nobody else is named, and no index is needed
	}
	own := -1
	first := -1
	for _, id := range ids {
		if id == c.patient && own >= 0 {
			continue
		}
		place, in, err := r.patient(id)
		if err != nil {
			return false, false, err
		}
		if !in {
			continue
		}
		if id == c.patient {
			own = place
		} else {
			shared = true
		}
		if first < 0 || place < first {
			first = place
		}
	}
	return own == first, shared, nil
}

// place returns where a patient stands in the plan. The patient at hand needs no index, others do.
func (r *chunkRun) place(ctx context.Context, id string) (int, bool, error) {
	if r.index == nil {
		x, err := r.j.patients(ctx, r.e.Store, r.first)
		if err != nil {
			return 0, false, err
		}
		r.index = x
	}
	n, in := r.index.of(id)
	return n, in, nil
}

// references adds the references of a row that are followed by wave: of a wanted type and to the upstream itself.
func (r *chunkRun) references(to []string, line []byte) []string {
	if len(r.wanted) == 0 {
		return to
	}
	fhir.EachReference(line, func(s string) {
		typ, _, _ := strings.Cut(s, "/")
		if _, known := r.wanted[typ]; !known && !strings.Contains(s, "://") {
			return
		}
		ref, ok := fhir.ParseReference(s, r.bases...)
		if !ok {
			return
		}
		if _, follow := r.wanted[ref.Type]; follow && ref.Type != "Provenance" {
			to = append(to, ref.String())
		}
	})
	return to
}
