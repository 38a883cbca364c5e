package fanout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sluice/audit"
	"sluice/bulkdata"
	"sluice/export"
	"sluice/fhir"
	"sluice/jobs"
	"sluice/storage"
)

// plan freezes who and what the export covers, or adopts the plan of whoever did so first.
func (e *Engine) plan(ctx context.Context, j *job, l jobs.Lease) error {
	p, err := j.plan(ctx, e.Store, 0)
	if errors.Is(err, storage.ErrNotExist) {
		p, err = e.writePlan(ctx, j)
	}
	if err != nil {
		return e.planFailed(ctx, j, l, err)
	}
	e.Log.InfoContext(ctx, "planned", "job", j.id, "patients", p.Patients, "types", len(p.Searches), "chunks", p.Chunks)
	return e.Jobs.Advance(ctx, l, p.Chunks, e.nextItem(j, 0, p.Chunks))
}

// writePlan makes the plan. transactionTime is the upstream's clock before anything was read, less a margin for what it commits
// late (DATA-25).
func (e *Engine) writePlan(ctx context.Context, j *job) (*export.Plan, error) {
	now, err := e.Source.Clock(ctx)
	if err != nil {
		return nil, fmt.Errorf("upstream clock: %w", err)
	}
	p := &export.Plan{
		Format:          j.spec.Format,
		Attempt:         randomID(),
		TransactionTime: now.Add(-e.Margin).UTC(),
		// The clock has whole seconds: what was there when we asked is not newer than the end of that second.
		Started:   now.Add(time.Second).UTC(),
		ChunkSize: 1,
	}
	if j.spec.RetryOf != "" {
		err = e.planAgain(ctx, j, p)
	} else {
		err = e.planAll(ctx, j, p)
	}
	if err != nil {
		return nil, err
	}
	err = e.writeOnce(ctx, export.PlanKey(j.id, 0), p)
	if err == nil {
		err = e.audit(ctx, j, audit.Plan, audit.OK, "plan frozen", map[string]any{"patients": p.Patients, "groupVersion": p.GroupVersion, "types": len(p.Searches)})
	}
	if err != nil && !errors.Is(err, storage.ErrExist) {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	return j.plan(ctx, e.Store, 0) // ours, or the winner's
}

// planAll fills the plan with all that the request covers.
func (e *Engine) planAll(ctx context.Context, j *job, p *export.Plan) error {
	searches, err := e.Source.Plan(ctx, string(j.spec.Request.Level))
	if err != nil {
		return fmt.Errorf("plan searches: %w", err)
	}
	for _, s := range searches {
		if j.wants(s.Type) {
			p.Searches = append(p.Searches, s)
		}
	}
	p.Notes = append(p.Notes, j.spec.Request.Ignored...)
	if j.system() {
		p.Chunks = int64(len(p.Searches))
		return nil
	}
	return e.writeRoster(ctx, j, p)
}

// writeRoster streams the patients of the cohort into the lists of the plan.
func (e *Engine) writeRoster(ctx context.Context, j *job, p *export.Plan) error {
	w := planWriter{e: e, j: j, p: p}
	var seen idSet
	add := func(id string) error {
		if !seen.add(hashID(id)) {
			return nil
		}
		p.Patients++
		return w.add(ctx, id, e.ChunkPatients)
	}
	var err error
	if j.spec.Request.Level == bulkdata.Group {
		err = e.groupRoster(ctx, j, p, add)
	} else {
		err = e.scanRoster(ctx, add)
	}
	if err != nil {
		return err
	}
	return w.close(ctx, e.ChunkPatients)
}

// planFailed decides what an error in planning means for the job: wait, try again, or fail it with the reason.
func (e *Engine) planFailed(ctx context.Context, j *job, l jobs.Lease, err error) error {
	if after, ok := unavailable(err); ok {
		return &putBack{after, "paused: the upstream cannot be asked now"}
	}
	if errors.Is(err, errGone) {
		return e.fail(ctx, j, l, fhir.NewOutcome("error", "not-found", errGone.Error()))
	}
	if !refused(err) || ctx.Err() != nil {
		return err
	}
	se := asSourceError(err)
	e.Log.ErrorContext(ctx, "plan refused by the upstream", "job", j.id, "status", se.Status(), "code", se.Code())
	out := fhir.NewOutcome("error", "processing", fmt.Sprintf("the upstream refused a search or read that planning needs: HTTP %d", se.Status()))
	if s := se.Status(); s == http.StatusNotFound || s == http.StatusGone {
		out = fhir.NewOutcome("error", "not-found", "the Group is not known to the upstream")
	}
	return e.fail(ctx, j, l, out)
}

// audit writes one event of the life of a job; outcome and typ are words of package audit.
func (e *Engine) audit(ctx context.Context, j *job, typ, outcome, detail string, fields map[string]any) error {
	err := e.Audit.Write(ctx, audit.Event{
		Type: typ, Outcome: outcome, Time: time.Now(), Client: j.spec.Client, Job: j.id, RequestID: j.spec.ID, Detail: detail, Fields: fields,
	})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}
