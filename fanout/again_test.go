package fanout_test

import (
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"sluice/bulkdata"
	"sluice/export"
	"sluice/jobs"
	"sluice/test/fhirserver"
)

// brokenAt answers 500 where at tells, until it is mended.
func brokenAt(at func(*fhirserver.Request) bool) (faults func(*fhirserver.Request) *fhirserver.Fault, mended *atomic.Bool) {
	mended = &atomic.Bool{}
	return func(q *fhirserver.Request) *fhirserver.Fault {
		if mended.Load() || !at(q) {
			return nil
		}
		return &fhirserver.Fault{Name: "500", Status: http.StatusInternalServerError}
	}, mended
}

func retryOf(id string) func(*export.Spec) { return func(s *export.Spec) { s.RetryOf = id } }

// An export of what another one missed gives just that, at the other's transactionTime: what failed for a patient, and what failed when
// it was read by id. What the rows refer to and Provenance of several rows come with them, again.
func TestRetryReadsOnlyWhatFailed(t *testing.T) {
	var patients []string
	faults, mended := brokenAt(func(q *fhirserver.Request) bool {
		some := func(n int) bool { return len(q.Patients) == 1 && slices.Contains(patients[:n], q.Patients[0]) }
		return q.Type == "Condition" && some(2) || q.Type == "Encounter" && some(1) || q.Type == "Practitioner"
	})
	inWorld(t, fhirserver.Options{Extras: true, Faults: faults}, nil, func(r *rig) {
		patients = r.fake.PatientIDs()
		defer r.engine(nil)()
		id := r.kickOff(bulkdata.Patient, "")
		first := r.finished(id, 48*time.Hour)
		if first.State != string(jobs.Complete) || len(first.Errors) != 1 {
			t.Fatalf("the first export ended %s with %d error files", first.State, len(first.Errors))
		}
		mended.Store(true)
		asked := r.fake.Counts()
		time.Sleep(3 * time.Minute)
		second := r.finished(r.kickOff(bulkdata.Patient, "", retryOf(id)), 48*time.Hour)

		if !second.TransactionTime.Equal(first.TransactionTime) {
			t.Errorf("transactionTime %v, want the first one's, %v", second.TransactionTime, first.TransactionTime)
		}
		if second.Patients != 2 || len(second.Errors) != 0 {
			t.Errorf("%d patients and %d error files, want 2 and none: %v", second.Patients, len(second.Errors), r.issues(second))
		}
		got := r.lines(first.Output)
		missing := difference(got, r.want(bulkdata.Patient, patients, nil))
		for line, n := range r.lines(second.Output) {
			var row struct {
				ResourceType string `json:"resourceType"`
			}
			if err := unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			if got[line] == 0 || row.ResourceType != "Provenance" && !slices.Contains(follow, row.ResourceType) {
				got[line] += n
			}
		}
		if d := difference(got, r.want(bulkdata.Patient, patients, nil)); d != "" {
			t.Errorf("both together: %s (the first alone: %s)", d, missing)
		}
		for key, n := range r.fake.Counts().Searches {
			ok := key.Type == "Condition" && slices.Contains(patients[:2], key.Patient) || key.Type == "Encounter" && key.Patient == patients[0]
			if key.Patient != "" && !ok && n != asked.Searches[key] {
				t.Errorf("%v did not fail and was asked for again", key)
			}
		}
	})
}

// At system level it is whole types.
func TestRetryOfATypeAtSystemLevel(t *testing.T) {
	faults, mended := brokenAt(func(q *fhirserver.Request) bool { return q.Type == "Condition" })
	inWorld(t, fhirserver.Options{Faults: faults}, nil, func(r *rig) {
		defer r.engine(nil)()
		id := r.kickOff(bulkdata.System, "")
		first := r.finished(id, 48*time.Hour)
		mended.Store(true)
		second := r.finished(r.kickOff(bulkdata.System, "", retryOf(id)), 48*time.Hour)
		r.exact(second, r.want(bulkdata.System, nil, func(typ string, _ []byte) bool { return typ != "Condition" }))
		all := r.lines(first.Output)
		maps.Copy(all, r.lines(second.Output))
		if d := difference(all, r.want(bulkdata.System, nil, nil)); d != "" {
			t.Error(d)
		}
	})
}

// When the other export is removed before the plan is made, there is nothing to go by.
func TestRetryOfWhatIsGone(t *testing.T) {
	inWorld(t, fhirserver.Options{}, nil, func(r *rig) {
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, "", retryOf(jobs.NewID())), time.Hour)
		if m.State != string(jobs.Failed) || m.Outcome == nil || m.Outcome.Issue[0].Code != "not-found" {
			t.Errorf("the export ended %s: %+v", m.State, m.Outcome)
		}
	})
}
