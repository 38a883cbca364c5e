package fanout_test

import (
	"encoding/json"
	"testing"
	"time"

	"sluice/bulkdata"
	"sluice/export"
	"sluice/storage"
	"sluice/test/fhirserver"
)

// R14: an export whose records have a format of a newer version is left alone, with the reason in sight, until that version is there; the
// exports beside it go on.
func TestR14_NewerVersion(t *testing.T) {
	inWorld(t, fhirserver.Options{}, nil, func(r *rig) {
		id := r.kickOff(bulkdata.Patient, "")
		spec, err := export.ReadSpec(r.t.Context(), r.store, id)
		if err != nil {
			t.Fatal(err)
		}
		put := func(format int) {
			spec.Format = format
			body, err := json.Marshal(spec)
			if err != nil {
				t.Fatal(err)
			}
			if err := storage.Put(r.t.Context(), r.store, export.SpecKey(id), body, storage.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		put(export.Format + 1)
		defer r.engine(nil)()
		r.exact(r.finished(r.kickOff(bulkdata.Patient, ""), time.Hour), r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
		time.Sleep(time.Minute)
		j, err := r.jobs.Get(r.t.Context(), id)
		if err != nil || j.State.Ended() || j.Reason != "waiting for the version that began it" {
			t.Errorf("state %s, reason %q, %v", j.State, j.Reason, err)
		}
		for info, err := range r.store.List(r.t.Context(), export.Prefix(id)) {
			if err != nil || info.Key != export.SpecKey(id) {
				t.Errorf("%s was written, %v", info.Key, err)
			}
		}
		put(export.Format)
		r.exact(r.finished(id, time.Hour), r.want(bulkdata.Patient, r.fake.PatientIDs(), nil))
	})
}
