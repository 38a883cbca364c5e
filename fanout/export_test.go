package fanout_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/bulkdata"
	"sluice/export"
	"sluice/fanout"
	"sluice/fhir"
	"sluice/test/fhirserver"
)

func unmarshal(line string, to any) error { return json.Unmarshal([]byte(line), to) }

const enough = 10 * time.Minute // of virtual time

// One replica, nothing goes wrong: every row once, at each level.
func TestLevels(t *testing.T) {
	for _, level := range []bulkdata.Level{bulkdata.System, bulkdata.Patient} {
		t.Run(string(level), func(t *testing.T) {
			inWorld(t, fhirserver.Options{Extras: true}, nil, func(r *rig) {
				defer r.engine(nil)()
				m := r.finished(r.kickOff(level, ""), enough)
				r.exact(m, r.want(level, r.fake.PatientIDs(), nil))
				if got := r.issues(m); got != nil {
					t.Errorf("error lines %q, want none", got)
				}
			})
		})
	}
}

// E27, a panic: three tries, then the one chain that stops the gateway is an error line and everything else is there.
func TestE27_PanicCostsOneChain(t *testing.T) {
	inWorld(t, fhirserver.Options{}, nil, func(r *rig) {
		poison := r.fake.PatientIDs()[4]
		s := &panicky{Source: r.up, patient: poison, typ: "Condition"}
		defer r.engine(s)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), enough)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), func(typ string, line []byte) bool {
			return typ == "Condition" && strings.Contains(string(line), `"Patient/`+poison+`"`)
		}))
		if s.times.Load() == 0 {
			t.Error("the panic never happened")
		}
		got := r.issues(m)
		if len(got) != 1 || !strings.Contains(got[0], "Condition of Patient/"+poison) {
			t.Errorf("error lines %q, want one that names the type and the patient", got)
		}
		if m.FailedPatients != 1 {
			t.Errorf("%d failed patients, want 1", m.FailedPatients)
		}
	})
}

// panicky panics outside of reading a page: where the engine asks for the bases of the upstream no page is to blame.
type panicky struct {
	fanout.Source
	patient, typ string
	times        atomic.Int64
}

func (p *panicky) Page(ctx context.Context, q fhir.Query, next string, sink fhir.PageSink) (fhir.Page, error) {
	if q.Type() == p.typ && strings.Contains(q.Encode(), p.patient) {
		p.times.Add(1)
		panic("poison")
	}
	return p.Source.Page(ctx, q, next, sink)
}

// E17: next links die; the chain begins again and repeats nothing that is committed.
func TestE17_ExpiredLinks(t *testing.T) {
	var met sync.Map
	onceEach := func(q *fhirserver.Request) bool {
		_, again := met.LoadOrStore(q.Patient()+"/"+q.Type+q.Query.Get("category"), true)
		return !again
	}
	faults := fhirserver.On(fhirserver.Fault{Name: "gone", Status: http.StatusGone}, fhirserver.ForPage(3), onceEach)
	inWorld(t, fhirserver.Options{Extras: true, Faults: faults}, func(o *fanout.Options) { o.PartSize = 1 }, func(r *rig) {
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), enough)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if n := r.fake.Counts().Faults["gone"]; n == 0 {
			t.Error("no link died")
		}
	})
}

// E18: pages that repeat rows and come in another order each time.
func TestE18_ShiftingPages(t *testing.T) {
	faults := fhirserver.Any(
		fhirserver.On(fhirserver.Fault{Name: "overlap", Overlap: 2}, fhirserver.ForType("Observation")),
		fhirserver.On(fhirserver.Fault{Name: "overlap", Overlap: 1}, fhirserver.ForType("Condition", "Procedure")),
	)
	inWorld(t, fhirserver.Options{Faults: faults}, nil, func(r *rig) {
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), enough)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if n := r.fake.Counts().Faults["overlap"]; n == 0 {
			t.Error("no page repeated rows")
		}
	})
}

// E19, S26: an upstream that ignores the patient parameter: the job fails and hands nothing out.
func TestE19_IgnoredParameter(t *testing.T) {
	faults := fhirserver.On(fhirserver.Fault{Name: "ignore", Ignore: []string{"patient", "subject"}}, fhirserver.ForType("Observation"))
	inWorld(t, fhirserver.Options{Patients: 12, DefaultCount: 50, MaxCount: 50, Faults: faults}, nil, func(r *rig) {
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Group, "half"), enough)
		if m.State != "failed" || m.Outcome == nil || len(m.Output) != 0 || m.Rows != 0 {
			t.Errorf("ended %s with %d files and outcome %+v, want failed and nothing handed out", m.State, len(m.Output), m.Outcome)
		}
		if n := r.fake.Counts().Faults["ignore"]; n == 0 {
			t.Error("no parameter was ignored")
		}
	})
}

// A chain whose link died is begun again; whoever dies while reading the old pages anew leaves the next one to know that nothing new is
// expected of them.
func TestE17_ExpiredLinkThenDeath(t *testing.T) {
	var met sync.Map
	onceEach := func(q *fhirserver.Request) bool {
		_, again := met.LoadOrStore(q.Patient(), true)
		return !again
	}
	faults := fhirserver.On(fhirserver.Fault{Name: "gone", Status: http.StatusGone}, fhirserver.ForType("Observation"), fhirserver.ForPage(6), onceEach)
	// Every page is committed, and the process ends at every page: each engine reads one.
	inWorld(t, fhirserver.Options{Delay: time.Second, Faults: faults}, func(o *fanout.Options) { o.PartSize, o.Checkpoint = 1, 1 }, func(r *rig) {
		r.types = []string{"Patient", "Observation"}
		id := r.kickOff(bulkdata.Patient, "")
		for deadline := time.Now().Add(enough); time.Now().Before(deadline); {
			stop := r.engine(nil)
			time.Sleep(1500 * time.Millisecond)
			stop()
			if _, err := export.ReadManifest(r.t.Context(), r.store, id); err == nil {
				break
			}
		}
		m := r.finished(id, time.Second)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if got := r.issues(m); got != nil {
			r.t.Errorf("error lines %q, want none", got)
		}
		if r.fake.Counts().Faults["gone"] == 0 {
			r.t.Error("no link died")
		}
	})
}

// Totals that are right change nothing; one that is more than what comes is read again, and what stays short is said, with numbers.
func TestTotals(t *testing.T) {
	var short string
	exact := fhirserver.WithTotal(func(p *fhirserver.Page) int64 { return int64(p.Matches) })
	more := fhirserver.WithTotal(func(p *fhirserver.Page) int64 { return int64(p.Matches) + 2 })
	faults := func(q *fhirserver.Request) *fhirserver.Fault {
		if q.Type == "Condition" && q.Patient() == short {
			return &more
		}
		return &exact
	}
	inWorld(t, fhirserver.Options{Faults: faults}, nil, func(r *rig) {
		short = r.fake.PatientIDs()[2]
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), enough)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		got := r.issues(m)
		if len(got) != 1 || !strings.Contains(got[0], "incomplete: Condition of Patient/"+short) {
			r.t.Errorf("error lines %q, want one that names the search that stayed short", got)
		}
		if n := r.fake.Counts().Searches[fhirserver.Key{Patient: short, Type: "Condition"}]; n != 3 {
			r.t.Errorf("the short search was made %d times, want 3", n)
		}
		for _, st := range m.Sums {
			if st.Type == "Observation" && (st.Expected != st.Rows || st.Rows == 0) {
				r.t.Errorf("Observation: expected %d, rows %d; want the same", st.Expected, st.Rows)
			}
		}
	})
}

// A server that refuses searches with 404 and code not-found has not answered them: they are failed, not remarked upon.
func TestRefusedAsNotFound(t *testing.T) {
	refuse := fhirserver.On(fhirserver.Refusal(http.StatusNotFound, "not-found", "x"), fhirserver.ForRoute(fhirserver.RouteSearch),
		func(q *fhirserver.Request) bool { return q.Type != "Patient" })
	inWorld(t, fhirserver.Options{Faults: refuse}, nil, func(r *rig) {
		r.types = []string{"Patient", "Condition", "Observation"}
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), enough)
		got := r.issues(m)
		if len(got) != 2 || !strings.Contains(got[0], "Condition: nothing could be read") || !strings.Contains(got[1], "Observation: nothing could be read") {
			r.t.Errorf("error lines %q, want one for each type that could not be read at all", got)
		}
	})
}
