package gateway

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/export"
	"sluice/jobs"
	"sluice/storage"
)

// Retried is the answer to POST /jobs/{id}/retry.
type Retried struct {
	ID     string `json:"id"`
	Client string `json:"client"`
	Status string `json:"status"` // URL that the client polls
}

// retryJob makes a new export, for the same client, of what an ended one could not read. A finished manifest never changes; of an export
// that failed nothing was handed out, so that it is made again as a whole.
func (g *Gateway) retryJob(c echo.Context) error {
	r, id := c.Request(), c.Param("id")
	if !validJob(id) {
		return notFound()
	}
	old, err := export.ReadSpec(r.Context(), g.o.Store, id)
	if err != nil {
		return g.lost(r, id, err)
	}
	gone, err := export.Tombstoned(r.Context(), g.o.Store, id)
	if err != nil {
		return unavailable(err)
	}
	if gone {
		return notFound()
	}
	m, err := g.records.manifest(r.Context(), id)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		return fail(http.StatusConflict, "conflict", "the export has not ended; what fails is known at its end")
	case err != nil:
		return unavailable(err)
	case m.State == string(jobs.Complete) && len(m.Errors) == 0:
		return fail(http.StatusConflict, "conflict", "nothing of this export failed")
	}
	spec := *old
	spec.Format, spec.Job, spec.Created, spec.ID = export.Format, jobs.NewID(), time.Now().UTC(), exchangeOf(r.Context()).id
	if m.State == string(jobs.Complete) {
		spec.RetryOf = id
	}
	e := event(r, audit.Admin, audit.OK, spec.Job, "export of what another one could not read, by the operator")
	e.Fields = map[string]any{"of": id, "client": spec.Client, "whole": m.State != string(jobs.Complete)}
	if err := g.begin(r, e, &spec); err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, Retried{ID: spec.Job, Client: spec.Client, Status: g.base + "/bulkstatus/" + spec.Job})
}
