package fanout_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/bulkdata"
	"sluice/export"
	"sluice/fanout"
	"sluice/jobs"
	"sluice/storage"
	"sluice/test/fhirserver"
	"sluice/upstream"
)

// R4: the leases of running chunks vanish from Redis (evicted, deleted): the chunks are taken over, and nothing is stuck or doubled.
func TestR4_LeasesVanish(t *testing.T) {
	inWorld(t, fhirserver.Options{Extras: true, Delay: 200 * time.Millisecond}, nil, func(r *rig) {
		defer r.engine(nil)()
		id, gone := r.kickOff(bulkdata.Patient, ""), int64(0)
		for range 20 {
			time.Sleep(time.Second)
			keys, err := r.redis.Keys(r.t.Context(), "*{j:"+id+"}:l").Result()
			if err != nil {
				r.t.Fatal(err)
			}
			for _, key := range keys {
				gone += r.redis.Del(r.t.Context(), key).Val()
			}
		}
		r.exact(r.finished(id, 10*time.Minute), r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if gone == 0 {
			r.t.Error("there was no lease to delete")
		}
	})
}

// R6: a server that takes the request and says nothing, and one that dribbles, give their workers back and the rows later.
func TestR6_SilenceAndDribble(t *testing.T) {
	faults := func(q *fhirserver.Request) *fhirserver.Fault {
		switch {
		case q.Try > 1 || q.Type == "":
		case q.Type == "Condition":
			return &fhirserver.Fault{Hang: true}
		case q.Type == "Procedure":
			return &fhirserver.Fault{BytesPerSecond: 1}
		}
		return nil
	}
	inWorld(t, fhirserver.Options{Faults: faults}, nil, func(r *rig) {
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), 24*time.Hour)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		r.served("hang", "slow")
	})
}

// served fails unless these faults were met.
func (r *rig) served(names ...string) {
	r.t.Helper()
	for _, name := range names {
		if r.fake.Counts().Faults[name] == 0 {
			r.t.Errorf("the fault %q was never served", name)
		}
	}
}

// R7: an upstream that refuses our credentials for a quarter of an hour pauses the export, with the reason in sight, and fails nothing.
func TestR7_CredentialsRefused(t *testing.T) {
	var refuse atomic.Bool
	faults := func(*fhirserver.Request) *fhirserver.Fault {
		if refuse.Load() {
			return &fhirserver.Fault{Name: "401", Status: http.StatusUnauthorized}
		}
		return nil
	}
	edit := func(o *fanout.Options) { o.Workers, o.Poll = 2, 5*time.Second }
	inWorld(t, fhirserver.Options{Faults: faults, Delay: 100 * time.Millisecond}, edit, func(r *rig) {
		defer r.engine(nil)()
		id := r.kickOff(bulkdata.Patient, "")
		time.Sleep(2 * time.Second)
		refuse.Store(true)
		time.Sleep(15 * time.Minute)
		j, err := r.jobs.Get(r.t.Context(), id)
		if err != nil || j.State != jobs.Running || !strings.Contains(j.Reason, "paused") {
			r.t.Errorf("state %s, reason %q, %v; want running and paused", j.State, j.Reason, err)
		}
		refuse.Store(false)
		m := r.finished(id, time.Hour)
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		if len(m.Errors) > 0 {
			r.t.Errorf("error lines %q, want none", r.issues(m))
		}
		r.served("401")
	})
}

// E25: answers that are no searchset cost the search they answer, with one line each; the other patients do not notice.
func TestE25_AnswersThatAreNoBundle(t *testing.T) {
	bodies := map[string]string{
		"html":    "<html><body>Please log in</body></html>",
		"outcome": `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception"}]}`,
		"empty":   "",
		"cut":     `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Condi`,
		"other":   `{"resourceType":"Patient","id":"x"}`,
	}
	names := []string{"cut", "empty", "html", "other", "outcome"}
	var patients []string
	faults := func(q *fhirserver.Request) *fhirserver.Fault {
		if n := slices.Index(patients, q.Patient()); q.Type == "Condition" && n >= 0 && n < len(names) {
			return &fhirserver.Fault{Name: names[n], Status: http.StatusOK, Body: []byte(bodies[names[n]])}
		}
		return nil
	}
	inWorld(t, fhirserver.Options{Faults: faults}, nil, func(r *rig) {
		patients = r.fake.PatientIDs()
		lost := func(typ string, line []byte) bool {
			return typ == "Condition" && slices.ContainsFunc(patients[:len(names)], func(id string) bool { return strings.Contains(string(line), `"Patient/`+id+`"`) })
		}
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), 24*time.Hour)
		r.exact(m, r.want(bulkdata.Patient, patients, lost))
		got := r.issues(m)
		for _, id := range patients[:len(names)] {
			if n := len(slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.Contains(s, "Condition of Patient/"+id) })); n != 1 {
				r.t.Errorf("%d error lines for Condition of %s, want 1: %q", n, id, got)
			}
		}
		r.served(names...)
	})
}

// E28: what changes while an export runs is in it or in the next one that asks for changes since its transactionTime.
func TestE28_ChangedDuringTheRun(t *testing.T) {
	var change func(n int64)
	faults := func(q *fhirserver.Request) *fhirserver.Fault {
		if change != nil && q.Type != "" {
			change(q.N)
		}
		return nil
	}
	inWorld(t, fhirserver.Options{Faults: faults, Delay: 50 * time.Millisecond}, nil, func(r *rig) {
		rows := r.fake.Resources("Observation")
		changed := map[string]bool{}
		var next atomic.Int64
		change = func(n int64) {
			if i := next.Add(1) - 1; n%2 == 0 && int(i) < len(rows) && i < 200 {
				row := rows[i]
				line := strings.Replace(string(row), `"status":"final"`, `"status":"amended"`, 1)
				if err := r.fake.Put([]byte(line)); err != nil {
					r.t.Error(err)
				}
			}
		}
		defer r.engine(nil)()
		first := r.finished(r.kickOff(bulkdata.Patient, ""), time.Hour)
		change = nil
		time.Sleep(time.Minute)
		second := r.finished(r.kickOff(bulkdata.Patient, "", func(s *export.Spec) { s.Request.Since = first.TransactionTime }), time.Hour)
		both := r.lines(first.Output)
		for line := range r.lines(second.Output) {
			both[line]++
		}
		for line := range r.want(bulkdata.Patient, r.fake.PatientIDs(), func(typ string, _ []byte) bool { return typ != "Observation" }) {
			if strings.Contains(line, `"status":"amended"`) {
				changed[line] = true
			}
			if both[line] == 0 {
				r.t.Errorf("neither export has the last version of %.80s", line)
			}
		}
		if len(changed) < 50 {
			r.t.Errorf("%d resources were changed, want 50 or more", len(changed))
		}
	})
}

// R13: a process that is asked to end while 64 chunks run ends within 25 s; the next one goes on at once, without waiting for leases.
func TestR13_OrderlyEnd(t *testing.T) {
	edit := func(o *fanout.Options) { o.Workers, o.ChunkPatients, o.Poll = 64, 1, 4*time.Second }
	inWorld(t, fhirserver.Options{Patients: 64, Delay: 10 * time.Second}, edit, func(r *rig) {
		r.connect(upstream.Options{Concurrency: 64})
		r.types = []string{"Patient", "Condition", "Observation"}
		stop := r.engine(nil)
		id := r.kickOff(bulkdata.Patient, "")
		for r.fake.Counts().InFlight < 64 {
			time.Sleep(time.Second)
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took > 25*time.Second {
			r.t.Errorf("the end took %v", took)
		}
		asked := r.fake.Counts().Requests
		defer r.engine(nil)()
		time.Sleep(5 * time.Second) // less than a lease
		if n := r.fake.Counts().InFlight; n < 60 || r.fake.Counts().Requests < asked+60 {
			r.t.Errorf("%d requests under way after five seconds, want the work of all chunks", n)
		}
		r.exact(r.finished(id, 12*time.Hour), r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
	})
}

// R12, DEL-06: when an export expires nothing of it is served any more, but what a running download needs stays for a while.
func TestR12_ExpiryUnderAReader(t *testing.T) {
	edit := func(o *fanout.Options) {
		o.Retention, o.PartSize, o.Workers, o.Poll = 5*time.Minute, 1, 2, 5*time.Second
	}
	inWorld(t, fhirserver.Options{}, edit, func(r *rig) {
		defer r.engine(nil)()
		id := r.kickOff(bulkdata.Patient, "")
		m := r.finished(id, time.Hour)
		time.Sleep(time.Until(m.Expires) + 2*time.Minute)
		if gone, err := export.Tombstoned(r.t.Context(), r.store, id); err != nil || !gone {
			r.t.Fatalf("after its time the export has a tombstone: %t, %v", gone, err)
		}
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil)) // reads every part
		time.Sleep(20 * time.Minute)
		for info, err := range r.store.List(r.t.Context(), export.Prefix(id)) {
			r.t.Errorf("%s is still there, %v", info.Key, err)
		}
	})
}

// R18: what a crash or a late writer left behind of exports that are no more is removed within a round of the janitor, and nothing else.
func TestR18_UncleanStore(t *testing.T) {
	var removed, rounds atomic.Int64
	edit := func(o *fanout.Options) {
		o.Workers, o.Poll = 2, 5*time.Second
		o.Swept = func(n int64) { removed.Add(n); rounds.Add(1) }
	}
	inWorld(t, fhirserver.Options{}, edit, func(r *rig) {
		stray := func(key string) {
			if err := storage.Put(r.t.Context(), r.store, key, []byte("x"), storage.CreateOptions{}); err != nil {
				r.t.Fatal(err)
			}
		}
		dead := jobs.NewID()
		for n := range 3 {
			stray(export.PartKey(dead, "Observation", export.PlanChunk(int64(n)), 0, "attempt", 1))
		}
		time.Sleep(2 * time.Hour)
		defer r.engine(nil)()
		id := r.kickOff(bulkdata.Patient, "")
		m := r.finished(id, time.Hour)
		late := export.PartKey(id, "Observation", export.PlanChunk(0), 7, "late", 1)
		stray(late)
		time.Sleep(30 * time.Minute)
		for info, err := range r.store.List(r.t.Context(), export.Root) {
			if err != nil || info.Key == late || strings.Contains(info.Key, dead) {
				r.t.Errorf("%s is still there, %v", info.Key, err)
			}
		}
		if removed.Load() != 4 || rounds.Load() < 20 {
			r.t.Errorf("%d objects removed in %d rounds are told, want 4 in one a minute", removed.Load(), rounds.Load())
		}
		if keys := r.orphans(id, m); len(keys) > 0 {
			r.t.Errorf("objects that no record names: %q", keys)
		}
		r.exact(m, r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
	})
}

// The sweep at the end of an export goes on when the lease it began under is gone: a bucket deletes slowly.
func TestR18_SlowSweep(t *testing.T) {
	inWorld(t, fhirserver.Options{}, nil, func(r *rig) {
		id := r.kickOff(bulkdata.Patient, "")
		for n := range 5 {
			key := export.PartKey(id, "Observation", export.PlanChunk(int64(n)), 9, "killed", 1)
			if err := storage.Put(r.t.Context(), r.store, key, []byte("x"), storage.CreateOptions{}); err != nil {
				r.t.Fatal(err)
			}
		}
		r.store.Hook = func(op, _ string) error {
			if op == "delete" {
				time.Sleep(3 * time.Second)
			}
			return nil
		}
		defer r.engine(nil)()
		m := r.finished(id, time.Hour)
		time.Sleep(30 * time.Second) // the janitor comes after 15 minutes
		if keys := r.orphans(id, m); len(keys) > 0 {
			r.t.Errorf("objects that no record names: %q", keys)
		}
	})
}

// E21: however many patients, a type is one file (up to the size of a file).
func TestE21_OneFileAType(t *testing.T) {
	inWorld(t, fhirserver.Options{Patients: 100}, nil, func(r *rig) {
		defer r.engine(nil)()
		m := r.finished(r.kickOff(bulkdata.Patient, ""), time.Hour)
		files := map[string]int{}
		for _, f := range m.Output {
			files[f.Type]++
		}
		for typ, n := range files {
			if n != 1 {
				r.t.Errorf("%d files of %s, want 1", n, typ)
			}
		}
		if len(files) < 20 {
			r.t.Errorf("%d types, want 20 or more", len(files))
		}
	})
}

// E24: a Group in Groups that refer back, with members who are inactive, past, repeated, unknown or no patients: the right patients once.
func TestE24_Groups(t *testing.T) {
	for _, group := range []string{"half", "nested", "nested-back", "empty", "everyone"} {
		t.Run(group, func(t *testing.T) {
			inWorld(t, fhirserver.Options{}, nil, func(r *rig) {
				defer r.engine(nil)()
				m := r.finished(r.kickOff(bulkdata.Group, group), time.Hour)
				members := r.fake.Members(group)
				r.exact(m, r.want(bulkdata.Group, members, nil))
				if m.Patients != int64(len(members)) {
					r.t.Errorf("%d patients, want %d", m.Patients, len(members))
				}
			})
		})
	}
}

// E23: a row in the compartments of two patients of the cohort appears once.
func TestE23_RowOfTwoPatients(t *testing.T) {
	inWorld(t, fhirserver.Options{Extras: true}, nil, func(r *rig) {
		shared := map[string]int{}
		for _, id := range r.fake.PatientIDs() {
			for typ, lines := range r.fake.Compartment([]string{id}) {
				if typ == "Group" {
					continue // only at system level
				}
				for _, line := range lines {
					shared[string(line)]++
				}
			}
		}
		defer r.engine(nil)()
		got := r.lines(r.finished(r.kickOff(bulkdata.Patient, ""), time.Hour).Output)
		n := 0
		for line, patients := range shared {
			if local := strings.ReplaceAll(line, `"reference":"`+upstreamBase+`/`, `"reference":"`); patients > 1 {
				n++
				if got[local] != 1 {
					r.t.Errorf("%d times, want once: %.80s", got[local], line)
				}
			}
		}
		if n == 0 {
			r.t.Error("the data have no row of two patients")
		}
	})
}
