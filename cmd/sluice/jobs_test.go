package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/bulkdata"
	"sluice/cmd/sluice/pull"
	"sluice/gateway"
	"sluice/test/fhirserver"
)

// command runs "sluice jobs …" against the rig.
func (r *rig) command(args ...string) (code int, out, errs string) {
	r.t.Helper()
	var o, e bytes.Buffer
	code = run(r.t.Context(), append([]string{"jobs", "--admin", "http://" + r.at[1]}, args...), nil, &o, &e)
	return code, o.String(), e.String()
}

// The operator sees an export, and makes a new one of what it could not read: both together are the whole (J24).
func TestJobsRetry(t *testing.T) {
	var mended atomic.Bool
	refused := ""
	r := newRig(t, fhirserver.Options{Patients: 6, Faults: func(q *fhirserver.Request) *fhirserver.Fault {
		if mended.Load() || q.Type != "Condition" || !slices.Contains(q.Patients, refused) {
			return nil
		}
		return &fhirserver.Fault{Name: "refused", Status: http.StatusForbidden}
	}})
	refused = r.fake.PatientIDs()[2]
	if code, out, errs := r.command("list"); code != exitOK || out != "no exports\n" {
		t.Errorf("list: %d %q %q", code, out, errs)
	}

	first, err := r.pull(pull.Options{Level: bulkdata.Patient})
	if err != nil || len(first.Errors) != 1 || r.fake.Counts().Faults["refused"] == 0 {
		t.Fatalf("the first export: %v, %+v", err, first)
	}
	id := first.Status[strings.LastIndex(first.Status, "/")+1:]
	for _, want := range []string{id, "loader", "patient", "complete"} {
		if code, out, errs := r.command("list"); code != exitOK || !strings.Contains(out, want) {
			t.Errorf("list: %d %q %q, want %q in it", code, out, errs, want)
		}
	}
	if code, out, errs := r.command("show", id); code != exitOK || !strings.Contains(out, "Observation.0001.ndjson") {
		t.Errorf("show: %d %q %q", code, out, errs)
	}

	mended.Store(true)
	var again gateway.Retried
	code, out, errs := r.command("retry", id, "--json")
	if code != exitOK || json.Unmarshal([]byte(out), &again) != nil {
		t.Fatalf("retry: %d %q %q", code, out, errs)
	}
	second, err := pull.Resume(t.Context(), pull.Options{
		URL: r.cfg.Server.PublicURL, ClientID: "loader", Key: r.key, Level: bulkdata.Patient, Dir: filepath.Join(t.TempDir(), "second"),
	}, again.Status)
	if err != nil {
		t.Fatal(err)
	}
	if second.TransactionTime != first.TransactionTime || len(second.Errors) != 0 || len(second.Output) != 1 || second.Output[0].Type != "Condition" {
		t.Errorf("the second export: %+v", second)
	}
	whole := *first
	whole.Output = append(slices.Clone(first.Output), second.Output...)
	r.equal(&whole, "patient", r.fake.PatientIDs())
	if code, out, errs := r.command("show", again.ID); code != exitOK || !strings.Contains(out, id) {
		t.Errorf("show: %d %q %q, want the export it is a retry of", code, out, errs)
	}

	for name, job := range map[string]string{"nothing of this export failed": again.ID, "404": strings.Repeat("0", 32)} {
		if code, out, errs := r.command("retry", job); code != exitProblem || !strings.Contains(errs, name) {
			t.Errorf("retry of %s: %d %q %q, want %q", job, code, out, errs, name)
		}
	}
	if code, out, errs := r.command("cancel", id); code != exitOK || out != "done\n" {
		t.Errorf("cancel: %d %q %q", code, out, errs)
	}
}
