package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/bulkdata"
	"sluice/export"
	"sluice/jobs"
	"sluice/storage"
)

// JobView is one export as the operator sees it: GET /jobs and GET /jobs/{id}. Fields are only ever added. It holds no patient data.
type JobView struct {
	ID       string           `json:"id"`
	Client   string           `json:"client"`
	Level    bulkdata.Level   `json:"level,omitempty"`
	Group    string           `json:"group,omitempty"`
	State    jobs.State       `json:"state"`
	Reason   string           `json:"reason,omitempty"` // why it waits
	Created  time.Time        `json:"created"`
	Updated  time.Time        `json:"updated,omitzero"`
	Done     int64            `json:"done"`  // parts of the plan
	Total    int64            `json:"total"` // 0: not planned yet
	Patients int64            `json:"patients"`
	Rows     int64            `json:"rows"`
	Bytes    int64            `json:"bytes"`
	Errors   int64            `json:"errors"`
	Requests int64            `json:"requests"`
	Types    map[string]int64 `json:"types,omitempty"` // rows by type

	// Only of one export:
	RetryOf  string             `json:"retryOf,omitempty"` // the export whose failed searches this one makes again
	Asked    *bulkdata.Request  `json:"asked,omitempty"`
	Finished time.Time          `json:"finished,omitzero"`
	Expires  time.Time          `json:"expires,omitzero"`
	Files    []export.FileInfo  `json:"files,omitempty"`
	Sums     []export.ChainStat `json:"sums,omitempty"`
	Outcome  any                `json:"outcome,omitempty"` // why it failed
}

// maxListed bounds a list of exports.
const maxListed = 500

// views lists the exports in the index, running ones first, then waiting, then ended, the newest first.
func (g *Gateway) views(ctx context.Context) ([]JobView, error) {
	all, err := g.o.Jobs.List(ctx)
	if err != nil {
		return nil, err
	}
	rank := func(s jobs.State) int {
		switch {
		case s == jobs.Running:
			return 0
		case !s.Ended():
			return 1
		}
		return 2
	}
	slices.SortFunc(all, func(a, b jobs.Job) int {
		return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	views := make([]JobView, 0, min(len(all), maxListed))
	for _, j := range all[:min(len(all), maxListed)] {
		v := viewOf(j)
		if spec, err := g.records.spec(ctx, j.ID, j.Client); err == nil {
			v.Level, v.Group = spec.Request.Level, spec.Request.GroupID
		}
		views = append(views, v)
	}
	return views, nil
}

func viewOf(j jobs.Job) JobView {
	return JobView{
		ID: j.ID, Client: j.Client, State: j.State, Reason: j.Reason, Created: j.Created, Updated: j.Updated,
		Done: j.Done, Total: j.Total, Patients: j.Counters.Patients, Rows: j.Counters.Rows, Bytes: j.Counters.Bytes,
		Errors: j.Counters.Errors, Requests: j.Counters.Requests, Types: j.Types,
	}
}

func (g *Gateway) listJobs(c echo.Context) error {
	views, err := g.views(c.Request().Context())
	if err != nil {
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, map[string]any{"jobs": views})
}

// showJob gives everything about one export. Storage knows it also when the index has forgotten it.
func (g *Gateway) showJob(c echo.Context) error {
	ctx, id := c.Request().Context(), c.Param("id")
	if !validJob(id) {
		return notFound()
	}
	j, err := g.o.Jobs.Get(ctx, id)
	if err != nil && !errors.Is(err, jobs.ErrUnknown) {
		return unavailable(err)
	}
	v, indexed := viewOf(j), err == nil
	spec, err := export.ReadSpec(ctx, g.o.Store, id)
	switch {
	case errors.Is(err, storage.ErrNotExist) && !indexed:
		return notFound()
	case err == nil:
		v.ID, v.Client, v.Created = spec.Job, spec.Client, spec.Created
		v.Level, v.Group, v.Asked = spec.Request.Level, spec.Request.GroupID, &spec.Request
		v.RetryOf = spec.RetryOf
	case !errors.Is(err, storage.ErrNotExist):
		return unavailable(err)
	}
	m, err := g.records.manifest(ctx, id)
	if err == nil {
		v.State, v.Finished, v.Expires, v.Files, v.Sums = jobs.State(m.State), m.Finished, g.expires(m), append(m.Output, m.Errors...), m.Sums
		v.Patients, v.Rows = m.Patients, m.Rows
		if m.Outcome != nil {
			v.Outcome = m.Outcome
		}
	}
	gone, err := export.Tombstoned(ctx, g.o.Store, id)
	if err != nil {
		return unavailable(err)
	}
	if gone {
		v.State = jobs.Cancelled
	}
	return c.JSON(http.StatusOK, v)
}

// cancelJob ends an export in the operator's name.
func (g *Gateway) cancelJob(c echo.Context) error {
	r, id := c.Request(), c.Param("id")
	if !validJob(id) {
		return notFound()
	}
	if _, err := export.ReadSpec(r.Context(), g.o.Store, id); err != nil {
		return g.lost(r, id, err)
	}
	if err := g.record(r.Context(), event(r, audit.Admin, audit.OK, id, "export cancelled by the operator")); err != nil {
		return err
	}
	if err := g.end(r.Context(), id, "operator"); err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}
