package fanout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/export"
	"sluice/storage"
)

// An export may be of what another one, which is complete, could not read: the same patients and types, at the other's transactionTime.
// Its plan says all of that, since the other may expire meanwhile.

// missed is what an export could not read.
type missed struct {
	types    map[string]bool            // scanned whole
	patients map[string]map[string]bool // by id: the types
	refs     map[string]bool            // followed references
}

// errGone tells that the export to be read again is no longer there.
var errGone = errors.New("the export whose missing parts are asked for is no longer there")

// planAgain fills the plan of an export of what spec.RetryOf missed.
func (e *Engine) planAgain(ctx context.Context, j *job, p *export.Plan) error {
	other := newJob(j.spec.RetryOf, j.spec)
	first, err := other.plan(ctx, e.Store, 0)
	var m *missed
	if err == nil {
		m, err = e.missedBy(ctx, other, first)
	}
	if errors.Is(err, storage.ErrNotExist) {
		return errGone
	}
	if err != nil {
		return err
	}
	p.TransactionTime, p.Started, p.GroupVersion = first.TransactionTime, first.Started, first.GroupVersion
	some := map[string]bool{}
	for _, types := range m.patients {
		maps.Copy(some, types)
	}
	for _, s := range first.Searches {
		followed := s.Param == "" && !j.system()
		if followed || m.types[s.Type] || some[s.Type] {
			p.Searches = append(p.Searches, s)
		}
	}
	if j.system() {
		p.Chunks = int64(len(p.Searches))
		return nil
	}
	p.References = slices.Sorted(maps.Keys(m.refs))
	p.Patients = int64(len(m.patients))
	w := planWriter{e: e, j: j, p: p}
	for _, id := range slices.Sorted(maps.Keys(m.patients)) {
		line := memberLine(id, slices.Sorted(maps.Keys(m.patients[id])))
		if err := w.add(ctx, line, e.ChunkPatients); err != nil {
			return err
		}
	}
	return w.close(ctx, e.ChunkPatients)
}

// missedBy collects the failed searches of an export.
func (e *Engine) missedBy(ctx context.Context, j *job, first *export.Plan) (*missed, error) {
	m := &missed{types: map[string]bool{}, patients: map[string]map[string]bool{}, refs: map[string]bool{}}
	n := 0
	err := e.commits(ctx, j, func(c *export.Commit) error {
		n++
		root, _ := c.Chunk.Root()
		for _, f := range c.Failures {
			id, ofPatient := strings.CutPrefix(f.Scope, "Patient/")
			switch {
			case f.Remark && f.Code != codeIncomplete:
			case f.Scope == "":
				m.types[f.Type] = true
			case root >= first.Chunks:
				m.refs[f.Scope] = true
			case ofPatient && m.patients[id] == nil:
				m.patients[id] = map[string]bool{f.Type: true}
			case ofPatient:
				m.patients[id][f.Type] = true
			}
		}
		return nil
	})
	if err == nil && n == 0 && first.Chunks > 0 {
		err = fmt.Errorf("commits of %s: %w", j.id, storage.ErrNotExist)
	}
	return m, err
}

// A line of a plan's list of patients is an id, and after it the types that are asked for; none: all.
func memberLine(id string, types []string) string {
	return strings.Join(append([]string{id}, types...), " ")
}

// member returns the patient of a line and whether a type is asked for.
func member(line string) (id string, wants func(typ string) bool) {
	id, types, some := strings.Cut(line, " ")
	if !some {
		return id, func(string) bool { return true }
	}
	return id, func(typ string) bool { return slices.Contains(strings.Fields(types), typ) }
}
