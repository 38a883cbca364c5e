package fanout_test

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/bulkdata"
	"sluice/test/fhirserver"
)

// fieldCase is one thing that servers in the field do, and what an export makes of it.
type fieldCase struct {
	name  string
	fault fhirserver.Faults
	serve []string // names of the faults that must really have been served
	lost  string   // the type of which the first patient's rows are missing, "" when the export has every row
	issue []string // one expression for each error line, in order
}

var (
	firstPatient = "p"
	ofFirst      = func(q *fhirserver.Request) bool { return q.Patient() == firstPatient }
	exactTotal   = func(p *fhirserver.Page) int64 { return int64(p.Matches) }
)

// named gives a fault the name it is counted by.
func named(name string, f fhirserver.Fault) fhirserver.Fault {
	f.Name = name
	return f
}

// rowsAs is a fault that changes a page beside its total.
func rowsAs(name string, edit func(p *fhirserver.Page)) fhirserver.Fault {
	return fhirserver.Fault{Name: name, Edit: func(p *fhirserver.Page) {
		n := exactTotal(p)
		p.Total = &n
		edit(p)
	}}
}

func reversed(links []fhirserver.Link) (turned []fhirserver.Link) {
	for i := range links {
		turned = append(turned, links[len(links)-1-i])
	}
	return turned
}

// repeatedRow shows the last row of the first page again in place of the first of the second.
func repeatedRow() fhirserver.Fault {
	var mu sync.Mutex
	var last fhirserver.Entry
	return rowsAs("f", func(p *fhirserver.Page) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case p.Number == 1 && len(p.Entries) > 0:
			last = p.Entries[len(p.Entries)-1]
		case p.Number == 2 && len(p.Entries) > 0:
			p.Entries[0] = last
		}
	})
}

func fieldCases() []fieldCase {
	observations, conditions := fhirserver.ForType("Observation"), fhirserver.ForType("Condition")
	pages := fhirserver.ForRoute(fhirserver.RouteSearch, fhirserver.RoutePage)
	on := fhirserver.On
	failed := []string{`Observation of Patient/` + `.*`}
	return []fieldCase{
		{"P1 P52 a page that fails is no silent end", on(named("f", fhirserver.Fault{Status: 500}), observations, fhirserver.ForPage(3), ofFirst), []string{"f"}, "Observation", failed},
		{"P2 the stored search expires once", on(named("f", fhirserver.Fault{Status: 410}), observations, fhirserver.ForPage(3), fhirserver.FirstTries(1), ofFirst, fhirserver.Once()), []string{"f"}, "", nil},
		{"Q10 the session is refused with 400", on(named("f", fhirserver.Refusal(400, "processing", "4113")), observations, fhirserver.ForPage(2), ofFirst, fhirserver.Once()), []string{"f"}, "", nil},
		{"P7 P9 P28 rows at page borders come twice", on(named("f", fhirserver.Fault{Overlap: 1}), observations), []string{"f"}, "", nil},
		{"P8 pages repeat a row and leave one out", on(repeatedRow(), observations, pages, ofFirst), []string{"f"}, "one",
			[]string{`^incomplete: .*Observation of Patient/.*announced \d+ resources and gave \d+`}},
		{"P16 Q13 the next link is relative", on(named("f", fhirserver.NextRelative()), pages), []string{"f"}, "", nil},
		{"P24 Q17 the last page leads to one that cannot be had", fhirserver.Any(
			on(named("f", fhirserver.Fault{Drop: true}), func(q *fhirserver.Request) bool { return q.Query.Get("beyond") != "" }),
			on(rowsAs("last", func(p *fhirserver.Page) {
				if p.Number > 2 && p.First+len(p.Entries) == p.Matches {
					p.Links = append(p.Links, fhirserver.Link{Relation: "next", URL: upstreamBase + "/Observation?beyond=1"})
				}
			}), observations, pages, ofFirst)), []string{"f", "last"}, "", []string{`^incomplete: .*all \d+ resources announced were read`}},
		{"P26 the total shrinks page by page", on(named("f", fhirserver.WithTotal(func(p *fhirserver.Page) int64 { return int64(p.Matches - p.First) })), observations), []string{"f"}, "", nil},
		{"P29 J41 a refused search costs its type only", on(named("f", fhirserver.Refusal(403, "forbidden", "x")), observations, ofFirst), []string{"f"}, "Observation", failed},
		{"P32 Q8 the server's warning is in no data file", on(named("f", fhirserver.WithOutcome("warning", "processing", "outcome")), conditions, ofFirst), []string{"f"}, "", []string{`A note of the server`}},
		{"P32 an outcome without mode is in no data file", on(named("f", fhirserver.WithOutcome("warning", "processing", "")), conditions, ofFirst), []string{"f"}, "", []string{`A note of the server`}},
		{"P33 a row of another type is in no file of this one", on(named("f", fhirserver.WithRow([]byte(`{"resourceType":"Basic","id":"b"}`))), conditions, ofFirst), []string{"f"}, "", nil},
		{"P51 Q45 a row without id", on(named("f", fhirserver.WithRow([]byte(`{"resourceType":"Condition"}`))), conditions, ofFirst), []string{"f"}, "", []string{`without a valid id`}},
		{"P21 a row of a stranger", on(named("f", fhirserver.WithRow([]byte(`{"resourceType":"Condition","id":"x1","subject":{"reference":"Patient/stranger"}}`))), conditions, ofFirst), []string{"f"}, "", []string{`.`}},
		{"P53 J100 links in another order", on(rowsAs("f", func(p *fhirserver.Page) { p.Links = reversed(p.Links) }), pages), []string{"f"}, "", nil},
		{"P58 the body is cut", on(named("f", fhirserver.Fault{CutAfter: 0.6}), observations, fhirserver.FirstTries(1)), []string{"f"}, "", nil},
		{"P62 Q9 entries without mode", on(rowsAs("f", func(p *fhirserver.Page) {
			for i := range p.Entries {
				if p.Entries[i].Mode == "match" {
					p.Entries[i].Mode, p.Entries[i].Search = "", []byte("{}")
				}
			}
		}), conditions, pages), []string{"f"}, "", nil},
		{"P42 the connection is closed", on(named("f", fhirserver.Fault{Drop: true}), fhirserver.FirstTries(1), conditions), []string{"f"}, "", nil},
		{"P41 Q32 too many requests", on(named("f", fhirserver.Refusal(http.StatusTooManyRequests, "throttled", "x")), conditions, fhirserver.Once()), []string{"f"}, "", nil},
		{"Q30 one patient behind glass", on(named("f", fhirserver.Refusal(403, "suppressed", "4130")), observations, ofFirst), []string{"f"}, "Observation", failed},
		{"Q35 J51 one patient always fails", on(named("f", fhirserver.Fault{Status: 500}), observations, ofFirst), []string{"f"}, "Observation", failed},
		{"Q51 the server cuts _count and says so", on(func() fhirserver.Fault {
			f := named("f", fhirserver.WithOutcome("warning", "value", "outcome"))
			f.Count = 3
			return f
		}(), conditions, ofFirst, fhirserver.ForPage(1)), []string{"f"}, "", []string{`A note of the server`}},
		{"P14 page 2 leads to a host that is not ours", on(named("f", fhirserver.NextAt("https://localhost:8080/oauth/fhir")), observations, ofFirst), []string{"f"}, "Observation", failed},
		{"Q17 the same page for ever", on(named("f", fhirserver.NextStuck()), observations, ofFirst), []string{"f"}, "some", []string{`pages repeat themselves`}},
		{"P4 Q2 J60 a cap on results", on(named("f", fhirserver.CapResults(9)), observations, pages, ofFirst), []string{"f"}, "some", []string{`^incomplete: .*announced \d+ resources and gave 9`}},
	}
}

// TestField exports a whole set through each fault: every row is there once, or an error line tells what is not.
func TestField(t *testing.T) {
	for _, tc := range fieldCases() {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, fhirserver.Options{Patients: 6, Faults: tc.fault}, nil, func(r *rig) {
				r.types = []string{"Patient", "Condition", "Observation"}
				firstPatient = r.fake.PatientIDs()[1]
				defer r.engine(nil)()
				m := r.finished(r.kickOff(bulkdata.Patient, ""), 24*time.Hour)
				r.served(tc.serve...)
				got, want := r.lines(m.Output), r.want(bulkdata.Patient, r.fake.PatientIDs(), nil)
				if m.State != "complete" {
					r.t.Fatalf("the export ended %s: %+v", m.State, m.Outcome)
				}
				missing := 0
				for line, n := range want {
					if got[line] == n {
						continue
					}
					if missing++; tc.lost == "" || !strings.Contains(line, `"Patient/`+firstPatient+`"`) {
						r.t.Errorf("%d of %.70s, want %d", got[line], line, n)
					}
				}
				for line, n := range got {
					if n > want[line] {
						r.t.Errorf("%d of %.70s, want %d", n, line, want[line])
					}
				}
				if (missing > 0) != (tc.lost != "") || tc.lost == "one" && missing != 1 {
					r.t.Errorf("%d rows are missing, want those of %q", missing, tc.lost)
				}
				issues := r.issues(m)
				if len(issues) != len(tc.issue) {
					r.t.Fatalf("error lines %q, want %q", issues, tc.issue)
				}
				for i, want := range tc.issue {
					if !regexp.MustCompile(want).MatchString(issues[i]) {
						r.t.Errorf("error line %q, want %q", issues[i], want)
					}
				}
			})
		})
	}
}
