package fanout

import (
	"fmt"
	"slices"
	"strings"

	"sluice/export"
	"sluice/fhir"
)

// summary collects over all commit records what was read, what failed and what the upstream gave that nobody asked for.
type summary struct {
	plan     *export.Plan
	types    map[string]*export.ChainStat
	failures map[string][]export.Failure // by type
	patients map[string]struct{}         // with a search that finally failed, of a type that did not fail as a whole
}

func newSummary(p *export.Plan) *summary {
	return &summary{plan: p, types: map[string]*export.ChainStat{}, failures: map[string][]export.Failure{}, patients: map[string]struct{}{}}
}

func (s *summary) add(c *export.Commit) {
	for _, st := range c.Chains {
		t := s.types[st.Type]
		if t == nil {
			t = &export.ChainStat{Type: st.Type}
			s.types[st.Type] = t
		}
		t.Chains += st.Chains
		t.Expected += st.Expected
		t.Seen += st.Seen
		t.Rows += st.Rows
		t.Repeated += st.Repeated
		t.Foreign += st.Foreign
		t.Outside += st.Outside
	}
	for _, f := range c.Failures {
		s.failures[f.Type] = append(s.failures[f.Type], f)
	}
}

// search tells that a failure is a search that finally failed, and not a remark on one that ended.
func search(f export.Failure) bool { return !f.Remark }

// failedType tells that a type failed for everyone it was tried for.
func (s *summary) failedType(typ string) bool {
	st := s.types[typ]
	return slices.ContainsFunc(s.failures[typ], search) && (st == nil || st.Chains == 0)
}

// foreignShare and foreignRows are what it takes to say: this upstream ignored our parameter. Less is dropped and reported.
const (
	foreignShare = 0.001
	foreignRows  = 100
)

// verdict returns why the job has failed, or nil. It must be called once, after the last add.
func (s *summary) verdict(maxFailed float64) *fhir.OperationOutcome {
	failed, asked := 0, 0
	var foreign, rows int64
	for _, row := range s.plan.Searches {
		if st := s.types[row.Type]; st != nil {
			foreign, rows = foreign+st.Foreign, rows+st.Rows+st.Foreign
		}
		if row.Param == "" && s.plan.Patients > 0 {
			continue // followed: there may be nothing to ask
		}
		asked++
		if s.failedType(row.Type) {
			failed++
			continue
		}
		for _, f := range s.failures[row.Type] {
			if search(f) && strings.HasPrefix(f.Scope, "Patient/") {
				s.patients[f.Scope] = struct{}{}
			}
		}
	}
	switch {
	case foreign >= foreignRows && float64(foreign) > foreignShare*float64(rows):
		return fhir.NewOutcome("fatal", "security", fmt.Sprintf(
			"the upstream answered %d resources of patients nobody asked for: it seems to ignore the search parameter; nothing is handed out", foreign))
	case asked > 0 && failed == asked:
		return fhir.NewOutcome("fatal", "exception", "every type failed: the upstream refused or broke off all searches")
	case s.plan.Patients > 0 && float64(len(s.patients)) > maxFailed*float64(s.plan.Patients):
		return fhir.NewOutcome("fatal", "incomplete", fmt.Sprintf("%d of %d patients could not be read whole", len(s.patients), s.plan.Patients))
	}
	return nil
}

// stats returns the sums of all types, by name.
func (s *summary) stats() []export.ChainStat {
	var out []export.ChainStat
	for _, st := range s.types {
		out = append(out, *st)
	}
	slices.SortFunc(out, func(a, b export.ChainStat) int { return strings.Compare(a.Type, b.Type) })
	return out
}

// issues says what is missing: one line a failed type, else one a failed search, and what was noted when planning.
func (s *summary) issues() []fhir.Issue {
	issues := slices.Clone(s.plan.Notes)
	for _, st := range s.stats() {
		if st.Foreign > 0 {
			issues = append(issues, fhir.Issue{Severity: "warning", Code: "security",
				Diagnostics: fmt.Sprintf("%s: %d resources of patients nobody asked for were left out", st.Type, st.Foreign)})
		}
	}
	types := make([]string, 0, len(s.failures))
	for typ := range s.failures {
		types = append(types, typ)
	}
	slices.Sort(types)
	for _, typ := range types {
		fs := s.failures[typ]
		if s.failedType(typ) {
			issues = append(issues, issue(export.Failure{
				Type: typ, Code: fs[0].Code, Status: fs[0].Status, Text: fmt.Sprintf("nothing could be read, tried for %d: %s", len(fs), strings.TrimPrefix(fs[0].Text, "not asked for: ")),
			}))
			continue
		}
		for _, f := range fs {
			issues = append(issues, issue(f))
		}
	}
	return issues
}

func issue(f export.Failure) fhir.Issue {
	is := fhir.Issue{Severity: "error", Code: f.Code, Diagnostics: f.Type}
	if !search(f) {
		is.Severity = "warning"
	}
	if f.Scope != "" {
		is.Diagnostics += " of " + f.Scope
		is.Expression = []string{f.Scope}
	}
	is.Diagnostics += ": " + f.Text
	return is
}
