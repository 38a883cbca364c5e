package fanout

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sluice/export"
	"sluice/fhir"
)

// scanRoster gives every patient of the upstream: a scan of the type Patient, to the end or not at all.
func (e *Engine) scanRoster(ctx context.Context, add func(id string) error) error {
	q, err := fhir.SystemQuery("Patient")
	if err != nil {
		return err
	}
	q = q.With("_elements", "id")
	for _, s := range e.patientSearch(ctx) {
		if s.Count > 0 {
			q = q.With("_count", fmt.Sprint(s.Count))
		}
	}
	restarts, next, pages := 0, "", 0
	for {
		sink := &idSink{}
		page, err := e.Source.Page(ctx, q, next, sink)
		if expired(err) && restarts < maxRestarts {
			restarts, next = restarts+1, ""
			continue
		}
		if err != nil {
			return fmt.Errorf("scan Patient, page %d: %w", pages+1, err)
		}
		for _, id := range sink.ids {
			if err := add(id); err != nil {
				return err
			}
		}
		if pages++; page.Next == "" {
			return nil
		}
		if page.Next == next || pages > maxPages {
			return fmt.Errorf("scan Patient: the upstream's pages do not end")
		}
		next = page.Next
	}
}

// patientSearch returns how the upstream wants Patient to be asked for; empty when it cannot tell now.
func (e *Engine) patientSearch(ctx context.Context) []fhir.TypeSearch {
	all, err := e.Source.Plan(ctx, "system")
	if err != nil {
		return nil
	}
	for _, s := range all {
		if s.Type == "Patient" {
			return []fhir.TypeSearch{s}
		}
	}
	return nil
}

// idSink keeps the ids of the Patient resources of a page.
type idSink struct{ ids []string }

func (s *idSink) Reset() { s.ids = s.ids[:0] }

func (s *idSink) Entry(en fhir.Entry) error {
	if en.Err != nil || en.Resource == nil {
		return nil
	}
	h, err := fhir.Peek(en.Resource)
	if err != nil {
		return fmt.Errorf("entry of the patient list: %w", err)
	}
	if h.ResourceType == "Patient" && fhir.ValidID(h.ID) {
		s.ids = append(s.ids, h.ID)
	}
	return nil
}

// maxGroupDepth is how deep Groups inside Groups are followed.
const maxGroupDepth = 5

// groupMember is the part of Group.member that decides membership.
type groupMember struct {
	Entity struct {
		Reference  string          `json:"reference"`
		Identifier json.RawMessage `json:"identifier"`
	} `json:"entity"`
	Inactive bool `json:"inactive"`
	Period   struct {
		Start string `json:"start"`
		End   string `json:"end"`
	} `json:"period"`
}

// groupRoster gives the members of a Group at the time of the plan (DATA-09): nested Groups once each, without the inactive and
// those whose period does not cover transactionTime. Who is left out for another reason is noted for the error files.
func (e *Engine) groupRoster(ctx context.Context, j *job, p *export.Plan, add func(id string) error) error {
	r := roster{e: e, p: p, add: add, visited: map[string]bool{}, notes: map[string]int{}}
	if err := r.group(ctx, j.spec.Request.GroupID, 0); err != nil {
		return err
	}
	r.report()
	return nil
}

type roster struct {
	e       *Engine
	p       *export.Plan
	add     func(id string) error
	visited map[string]bool
	notes   map[string]int // reason → how many members
}

func (r *roster) group(ctx context.Context, id string, depth int) error {
	if r.visited[id] {
		return nil
	}
	r.visited[id] = true
	raw, err := r.e.Source.Read(ctx, fhir.Reference{Type: "Group", ID: id})
	if err != nil {
		if depth > 0 && refused(err) {
			r.notes["a nested Group could not be read"]++
			return nil
		}
		return fmt.Errorf("read Group: %w", err)
	}
	var g struct {
		Meta struct {
			VersionID string `json:"versionId"`
		} `json:"meta"`
		Actual *bool         `json:"actual"`
		Member []groupMember `json:"member"`
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		return fmt.Errorf("read Group: not understood: %w", err)
	}
	if depth == 0 {
		r.p.GroupVersion = g.Meta.VersionID
	}
	if g.Actual != nil && !*g.Actual && len(g.Member) == 0 {
		r.notes["the Group is a definition without members"]++
	}
	for _, m := range g.Member {
		if err := r.member(ctx, m, depth); err != nil {
			return err
		}
	}
	return nil
}

func (r *roster) member(ctx context.Context, m groupMember, depth int) error {
	t := r.p.TransactionTime
	if m.Inactive || before(m.Period.End, t) || after(m.Period.Start, r.p.Started) {
		return nil
	}
	ref, ok := fhir.ParseReference(m.Entity.Reference, r.e.Source.Bases()...)
	switch {
	case !ok && m.Entity.Reference == "" && len(m.Entity.Identifier) > 0:
		r.notes["members named by identifier only were not resolved"]++
	case !ok:
		r.notes["members with a reference that is not to this server were left out"]++
	case ref.Type == "Patient":
		return r.add(ref.ID)
	case ref.Type == "Group" && depth < maxGroupDepth:
		return r.group(ctx, ref.ID, depth+1)
	case ref.Type == "Group":
		r.notes[fmt.Sprintf("Groups nested deeper than %d were left out", maxGroupDepth)]++
	default:
		r.notes["members that are no patients were left out"]++
	}
	return nil
}

func (r *roster) report() {
	for text, n := range r.notes {
		r.p.Notes = append(r.p.Notes, fhir.Issue{Severity: "warning", Code: "incomplete", Diagnostics: fmt.Sprintf("Group: %s (%d)", text, n)})
	}
}

// before tells that a FHIR dateTime, which may be partial, ended before t.
func before(s string, t time.Time) bool {
	_, end, ok := dateTime(s)
	return ok && !end.After(t)
}

// after tells that a FHIR dateTime begins after t.
func after(s string, t time.Time) bool {
	start, _, ok := dateTime(s)
	return ok && start.After(t)
}

// dateTime returns the first instant of a FHIR dateTime and the first one after it.
func dateTime(s string) (start, end time.Time, ok bool) {
	for _, f := range []struct {
		layout  string
		y, m, d int
		span    time.Duration
	}{
		{"2006", 1, 0, 0, 0}, {"2006-01", 0, 1, 0, 0}, {"2006-01-02", 0, 0, 1, 0}, {time.RFC3339Nano, 0, 0, 0, time.Nanosecond},
	} {
		if t, err := time.Parse(f.layout, s); err == nil {
			return t, t.AddDate(f.y, f.m, f.d).Add(f.span), true
		}
	}
	return time.Time{}, time.Time{}, false
}
