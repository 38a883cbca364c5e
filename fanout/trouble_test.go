package fanout_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"sluice/bulkdata"
	"sluice/fanout"
	"sluice/test/fhirserver"
)

// trouble is an upstream in a bad way. It keeps what it needs to judge how it is treated.
type trouble struct {
	mu      sync.Mutex
	rand    *rand.Rand
	asked   []time.Time
	prompt  []time.Time          // requests that follow less than five seconds after the same one failed
	failed  map[string]time.Time // when a request failed last
	busy    time.Time            // the last 429
	hurried int                  // requests in the seven seconds after a 429
	well    int                  // good answers
}

func (u *trouble) fault(q *fhirserver.Request) *fhirserver.Fault {
	if q.Type == "" {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	u.asked = append(u.asked, now)
	key := q.Type + "?" + q.Query.Encode() + q.ID
	if last, again := u.failed[key]; again && now.Sub(last) < 5*time.Second {
		u.prompt = append(u.prompt, now)
	}
	if since := now.Sub(u.busy); since > 0 && since < 7*time.Second {
		u.hurried++
	}
	u.failed[key] = now
	switch p := u.rand.Float64(); {
	case p < 0.30:
		return &fhirserver.Fault{Status: http.StatusInternalServerError, Name: "500"}
	case p < 0.40:
		return &fhirserver.Fault{Drop: true}
	case p < 0.45:
		u.failed[key] = now.Add(time.Minute) // when the client gives up
		return &fhirserver.Fault{Hang: true}
	case p < 0.47:
		u.busy = now
		f := fhirserver.RetryAfter(http.StatusTooManyRequests, 7*time.Second)
		return &f
	}
	u.well++
	delete(u.failed, key)
	return nil
}

// most returns by how many the prompt retries of any two minutes exceed a tenth of its requests.
func (u *trouble) most() int {
	most, first, from := 0, 0, 0
	for i, t := range u.prompt {
		for ; u.prompt[first].Before(t.Add(-2 * time.Minute)); first++ {
		}
		for ; u.asked[from].Before(t.Add(-2 * time.Minute)); from++ {
		}
		requests := 0
		for _, at := range u.asked[from:] {
			if at.After(t) {
				break
			}
			requests++
		}
		most = max(most, i-first+1-requests/10)
	}
	return most
}

// R5: an upstream of which half the requests fail in all ways gives every row in the end, and is not hurried.
func TestR5_HalfOfAllRequestsFail(t *testing.T) {
	u := &trouble{rand: rand.New(rand.NewPCG(1, 5)), failed: map[string]time.Time{}}
	inWorld(t, fhirserver.Options{Extras: true, Faults: u.fault}, nil, func(r *rig) {
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), 48*time.Hour)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
	})
	t.Logf("%d requests, %d answered well, %d prompt retries, at most %d beyond a tenth", len(u.asked), u.well, len(u.prompt), u.most())
	if u.hurried > 0 {
		t.Errorf("%d requests before the seconds that Retry-After asked for were over", u.hurried)
	}
	if n := u.most(); n > 5 {
		t.Errorf("%d prompt retries more than a tenth of the requests of two minutes, at most 5 allowed", n)
	}
	if len(u.prompt) == 0 || float64(len(u.asked)) > 2.5*float64(u.well) {
		t.Errorf("%d requests for %d good answers, %d prompt retries", len(u.asked), u.well, len(u.prompt))
	}
}

// A server that answers 500 to all searches of one type is asked neither for ever nor patiently for each patient, but for each.
func TestR5_OneTypeAlwaysFails(t *testing.T) {
	faults := fhirserver.On(fhirserver.Fault{Name: "500", Status: http.StatusInternalServerError}, fhirserver.ForType("Condition"))
	oneWorker := func(o *fanout.Options) { o.Workers, o.ChunkPatients = 1, 10 }
	inWorld(t, fhirserver.Options{Patients: 40, Faults: faults}, oneWorker, func(r *rig) {
		defer r.engine(nil)()
		began := time.Now()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), 48*time.Hour)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), func(typ string, _ []byte) bool { return typ == "Condition" }))
		if len(m.Errors) != 1 {
			t.Errorf("%d error files, want one that names Condition", len(m.Errors))
		}
		t.Logf("%d requests failed, %v", r.fake.Counts().Faults["500"], time.Since(began))
		// Of the 10 patients of a chunk the first is given 3 rounds of 5 attempts, two are given 5 attempts, 7 are asked for once.
		if n := r.fake.Counts().Faults["500"]; n != 4*(3*5+2*5+7) {
			t.Errorf("%d requests for a type that never answers", n)
		}
	})
}
