package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"sluice/audit"
	"sluice/auth"
	"sluice/export"
	"sluice/jobs"
	"sluice/storage"
)

// accept makes an export of what was asked for, in this order: audit record on disk, a place in Redis (limits, pending for 60 s), spec
// in storage, queued. The spec is the promise: with it the export survives anything; so a failure after it must be undone by a
// tombstone, which outlives us, while a place in Redis ends by itself. A crash before the spec leaves nothing, a crash after it an
// export that nobody was told of, which ends with its retention.
func (g *Gateway) accept(r *http.Request, p *auth.Principal, spec *export.Spec) error {
	spec.Job, spec.Created = jobs.NewID(), time.Now().UTC()
	e := event(r, audit.Kickoff, audit.OK, spec.Job, "export accepted")
	e.Fields = map[string]any{
		"level": string(spec.Request.Level), "group": spec.Request.GroupID, "types": spec.Types, "scopes": spec.Scopes,
		"token": p.JTI, "name": p.Name,
	}
	if !spec.Request.Since.IsZero() {
		e.Fields["since"] = spec.Request.Since
	}
	if !spec.Request.Until.IsZero() {
		e.Fields["until"] = spec.Request.Until
	}
	return g.begin(r, e, spec)
}

// begin lets an export begin that e tells the audit log of.
func (g *Gateway) begin(r *http.Request, e audit.Event, spec *export.Spec) error {
	ctx := r.Context()
	if err := g.record(ctx, e); err != nil {
		return err
	}
	if err := g.queue(ctx, spec); err != nil {
		e := event(r, audit.Kickoff, audit.Failed, spec.Job, "the export accepted before was not begun")
		var limit *jobs.LimitError
		if errors.As(err, &limit) {
			e.Outcome, e.Detail = audit.Refused, "the client has as many exports as it may"
			err = tooMany(limit.RetryAfter, "this client has as many exports running and waiting as it may") // KICK-17
		} else {
			err = unavailable(err)
		}
		g.afterwards(ctx, e)
		return err
	}
	g.o.Log.InfoContext(ctx, "export accepted", "job", spec.Job, "client", spec.Client, "level", spec.Request.Level, "types", len(spec.Types))
	return nil
}

func (g *Gateway) queue(ctx context.Context, spec *export.Spec) error {
	if err := g.o.Jobs.Admit(ctx, spec.Job, spec.Client); err != nil {
		return err
	}
	err := export.WriteOnce(ctx, g.o.Store, export.SpecKey(spec.Job), spec)
	if err == nil {
		err = g.o.Jobs.Queue(ctx, spec.Job)
	}
	if err != nil {
		g.undo(ctx, spec) // also after a failed write: it may arrive late
	}
	return err
}

// undo buries a kick-off that failed half-way, also when the client has gone.
func (g *Gateway) undo(ctx context.Context, spec *export.Spec) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := g.bury(ctx, spec.Job, spec.Client); err != nil && !errors.Is(err, storage.ErrExist) {
		g.o.Log.ErrorContext(ctx, "failed kick-off may still run", "job", spec.Job, "error", err)
	}
	if err := g.o.Jobs.Drop(ctx, spec.Job); err != nil {
		g.o.Log.WarnContext(ctx, "place of a failed kick-off stays taken for a minute", "job", spec.Job, "error", err)
	}
}

// bury writes the tombstone: from now on nothing of the job is served. storage.ErrExist: somebody was first.
func (g *Gateway) bury(ctx context.Context, job, by string) error {
	body, err := json.Marshal(map[string]any{"format": export.Format, "job": job, "by": by, "at": time.Now().UTC()})
	if err != nil {
		return err
	}
	return storage.PutIfAbsent(ctx, g.o.Store, export.TombstoneKey(job), body, "application/json")
}

// end cancels or deletes an export: tombstone, index, and the engine of this process at once. Redis may be away: the tombstone decides.
func (g *Gateway) end(ctx context.Context, job, by string) error {
	if err := g.bury(ctx, job, by); err != nil {
		if errors.Is(err, storage.ErrExist) {
			return notFound()
		}
		return unavailable(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := g.o.Jobs.Cancel(ctx, job); err != nil && !errors.Is(err, jobs.ErrUnknown) {
		g.o.Log.WarnContext(ctx, "export is buried but still in the index", "job", job, "error", err)
	}
	if g.o.Cancelled != nil {
		g.o.Cancelled(job)
	}
	g.o.Log.InfoContext(ctx, "export ended on request", "job", job)
	return nil
}
