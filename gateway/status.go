package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/auth"
	"sluice/bulkdata"
	"sluice/export"
	"sluice/fhir"
	"sluice/jobs"
)

// status: Bulk Data Access, Bulk Data Status Request. Storage says whether an export has ended, and how; Redis only how far a running one
// has come.
func (g *Gateway) status(c echo.Context, p *auth.Principal) error {
	r, job := c.Request(), c.Param("job")
	if validJob(job) {
		if wait, ok := g.polls.take(p.ClientID + " " + job); !ok {
			return tooMany(wait, "polled too often; heed Retry-After") // STAT-04: the job is none the worse for it
		}
	}
	v, err := g.open(r, p, job, allTypes)
	if err != nil {
		return err
	}
	if v.manifest == nil {
		j, err := g.o.Jobs.Get(r.Context(), job)
		switch {
		case errors.Is(err, jobs.ErrUnknown):
			j = jobs.Job{ID: job, Client: p.ClientID, Reason: "index lost"} // it comes back from storage
		case err != nil:
			return unavailable(err) // STAT-11
		case j.ID != job || j.Client != p.ClientID:
			return unavailable(errors.New("redis answered with another job"))
		}
		if !j.State.Ended() {
			return running(c, v.spec, j)
		}
		// It ended between the two questions.
		if v.manifest, err = g.ended(r.Context(), job); err != nil {
			return err
		}
		if v.manifest == nil {
			return running(c, v.spec, j)
		}
	}
	if v.manifest.State == "failed" {
		return g.failed(v.manifest)
	}
	return g.complete(c, p, v)
}

// running: STAT-01 to STAT-03.
func running(c echo.Context, spec *export.Spec, j jobs.Job) error {
	h := c.Response().Header()
	h.Set("X-Progress", progress(j, time.Now()))
	// Short exports are not kept waiting, long ones not asked for all the time: 1 s, growing to 30 s with age.
	h.Set("Retry-After", seconds(min(30*time.Second, max(time.Second, time.Since(spec.Created)/10))))
	return c.NoContent(http.StatusAccepted)
}

// stalledAfter is how long a running export may show no progress, and no reason, before its status says so.
const stalledAfter = 5 * time.Minute

// progress is a text of less than 100 characters without identities. It says what is so: why the work waits, or that nobody knows.
func progress(j jobs.Job, now time.Time) string {
	switch {
	case j.State == jobs.Pending || j.State == jobs.Queued:
		return "waiting to begin"
	case j.State == "":
		return "waiting to go on"
	case j.State.Ended():
		return "ending"
	}
	text := "planning"
	if j.Total > 0 {
		text = fmt.Sprintf("%d of %d parts", j.Done, j.Total)
	}
	if j.Counters.Patients > 0 {
		text += fmt.Sprintf(", %d patients", j.Counters.Patients)
	}
	if j.Counters.Rows > 0 {
		text += fmt.Sprintf(", %d resources", j.Counters.Rows)
	}
	switch idle := now.Sub(j.Updated); {
	case j.Reason != "":
		text += "; " + j.Reason
	case idle > stalledAfter:
		text += fmt.Sprintf("; stalled: nothing has moved for %d minutes", int(idle.Minutes()))
	}
	return text[:min(len(text), 99)]
}

// failed: STAT-09. The outcome was written by whoever gave up; it holds our words only.
func (g *Gateway) failed(m *export.Manifest) error {
	p := fail(http.StatusInternalServerError, "exception", "the export failed")
	if m.Outcome != nil && len(m.Outcome.Issue) > 0 {
		p.outcome = m.Outcome
	}
	p.quiet = true // the log has it from whoever gave up
	return p
}

// complete: STAT-07, STAT-08, STAT-12.
func (g *Gateway) complete(c echo.Context, p *auth.Principal, v view) error {
	e := disclosed(c.Request(), p, audit.Manifest, v.spec.Job, "manifest read")
	e.Fields["files"], e.Fields["rows"] = len(v.manifest.Output), v.manifest.Rows
	if err := g.record(c.Request().Context(), e); err != nil {
		return err
	}
	var body bytes.Buffer
	writeJSON(&body, g.manifest(v))
	c.Response().Header().Set("Expires", g.expires(v.manifest).UTC().Format(http.TimeFormat))
	return c.Blob(http.StatusOK, "application/json", body.Bytes())
}

// manifest: Bulk Data Access, Response - Complete Status. The same records always give the same bytes.
func (g *Gateway) manifest(v view) bulkdata.Manifest {
	return bulkdata.Manifest{
		TransactionTime:     fhir.FormatInstant(v.manifest.TransactionTime),
		Request:             v.spec.Request.URL,
		RequiresAccessToken: true,
		Output:              g.files(v.spec.Job, v.manifest.Output),
		Error:               g.files(v.spec.Job, v.manifest.Errors),
	}
}

func (g *Gateway) files(job string, infos []export.FileInfo) []bulkdata.File {
	files := make([]bulkdata.File, 0, len(infos)) // never null: MAN-04, MAN-08
	for _, f := range infos {
		files = append(files, bulkdata.File{Type: f.Type, URL: g.base + "/bulkfiles/" + job + "/" + f.Name, Count: f.Lines})
	}
	return files
}

// remove: Bulk Data Access, Bulk Data Delete Request: DEL-01 to DEL-04, DEL-07.
func (g *Gateway) remove(c echo.Context, p *auth.Principal) error {
	r, job := c.Request(), c.Param("job")
	if _, err := g.open(r, p, job, allTypes); err != nil {
		return err
	}
	if err := g.record(r.Context(), disclosed(r, p, audit.Delete, job, "export cancelled or deleted by its client")); err != nil {
		return err
	}
	if err := g.end(r.Context(), job, p.ClientID); err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}
