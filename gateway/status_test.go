package gateway

import (
	"testing"
	"time"

	"sluice/jobs"
)

// STAT-02: what the status says of an export that runs is true, short, and without identities.
func TestProgress(t *testing.T) {
	now := time.Now()
	running := jobs.Job{State: jobs.Running, Total: 10, Done: 3, Updated: now, Counters: jobs.Counters{Patients: 40, Rows: 1234}}
	with := func(change func(*jobs.Job)) jobs.Job {
		j := running
		change(&j)
		return j
	}
	for _, tc := range []struct {
		name string
		job  jobs.Job
		want string
	}{
		{"queued", jobs.Job{State: jobs.Queued}, "waiting to begin"},
		{"lost by Redis", jobs.Job{}, "waiting to go on"},
		{"planning", jobs.Job{State: jobs.Running, Updated: now}, "planning"},
		{"running", running, "3 of 10 parts, 40 patients, 1234 resources"},
		{"the upstream is down", with(func(j *jobs.Job) { j.Reason = "paused: the upstream cannot be asked now" }),
			"3 of 10 parts, 40 patients, 1234 resources; paused: the upstream cannot be asked now"},
		{"slow", with(func(j *jobs.Job) { j.Updated = now.Add(-4 * time.Minute) }), "3 of 10 parts, 40 patients, 1234 resources"},
		{"stalled", with(func(j *jobs.Job) { j.Updated = now.Add(-7 * time.Minute) }),
			"3 of 10 parts, 40 patients, 1234 resources; stalled: nothing has moved for 7 minutes"},
		{"at its end", with(func(j *jobs.Job) { j.State = jobs.Complete }), "ending"},
	} {
		if got := progress(tc.job, now); got != tc.want || len(got) >= 100 {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	long := with(func(j *jobs.Job) {
		j.Counters.Rows, j.Reason = 1e15, "a reason that goes on and on and on, and then goes on some more"
	})
	if got := progress(long, now); len(got) >= 100 {
		t.Errorf("%d characters", len(got))
	}
}
