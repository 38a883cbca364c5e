package fanout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/audit"
	"sluice/export"
	"sluice/fhir"
	"sluice/jobs"
	"sluice/storage"
)

// finish makes the manifest from the commit records. Any number of replicas may try: one manifest wins, all others adopt it.
func (e *Engine) finish(ctx context.Context, j *job, l jobs.Lease) error {
	m, err := export.ReadManifest(ctx, e.Store, j.id)
	if errors.Is(err, storage.ErrNotExist) {
		m, err = e.manifest(ctx, j)
	}
	if err != nil {
		return e.disagree(ctx, j, fmt.Errorf("finish: %w", err))
	}
	return e.settle(ctx, j, l, m)
}

// disagree handles an error that may mean that Redis believes more than storage knows, as it can when it was set back to an older state:
// then its record of the job is thrown away, and the reconciler makes a new one from storage.
func (e *Engine) disagree(ctx context.Context, j *job, err error) error {
	var open *openChunkError
	if !errors.As(err, &open) {
		return err
	}
	e.Log.WarnContext(ctx, "Redis and storage disagree: rebuilt from storage", "job", j.id, "chunk", string(open.id))
	if err := e.Jobs.Forget(ctx, j.id); err != nil && !errors.Is(err, jobs.ErrUnknown) {
		return err
	}
	return &putBack{reason: "rebuilt from storage"}
}

// openChunkError says that a chunk is not closed although everything before this step should be.
type openChunkError struct{ id export.ChunkID }

func (e *openChunkError) Error() string { return fmt.Sprintf("chunk %s is not closed", e.id) }

// fail ends a job that cannot go on. What it wrote is never served.
func (e *Engine) fail(ctx context.Context, j *job, l jobs.Lease, out *fhir.OperationOutcome) error {
	now := time.Now().UTC()
	m := &export.Manifest{
		Format: j.spec.Format, Job: j.id, State: string(jobs.Failed), Attempt: randomID(), Finished: now, Expires: now.Add(e.Retention), Outcome: out,
	}
	m, err := e.writeManifest(ctx, j, m)
	if err != nil {
		return err
	}
	return e.settle(ctx, j, l, m)
}

// settle tells Redis how the job ended and clears what no record names.
func (e *Engine) settle(ctx context.Context, j *job, l jobs.Lease, m *export.Manifest) error {
	e.held.part(l) // the sweep may take longer than it is noticed that the lease is gone
	if err := e.Jobs.Finish(ctx, l, jobs.State(m.State)); err != nil {
		return err
	}
	e.cache.drop(j.id)
	e.Log.InfoContext(ctx, "export "+m.State, "job", j.id, "client", j.spec.Client, "rows", m.Rows, "files", len(m.Output), "patients", m.Patients)
	if err := e.sweepOrphans(ctx, j.id, m); err != nil {
		e.Log.WarnContext(ctx, "sweep", "job", j.id, "error", err)
	}
	return nil
}

// manifest sums the export up, decides whether it failed, and publishes it.
func (e *Engine) manifest(ctx context.Context, j *job) (*export.Manifest, error) {
	plans, err := j.allPlans(ctx, e.Store)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	m := &export.Manifest{
		Format: j.spec.Format, Job: j.id, State: string(jobs.Complete), Attempt: randomID(), Finished: now, Expires: now.Add(e.Retention),
		TransactionTime: plans[0].TransactionTime, Patients: plans[0].Patients,
	}
	f := &fileBuilder{e: e, j: j, m: m}
	sums := newSummary(plans[0])
	closed := newClosedChunks(plans)
	err = e.commits(ctx, j, func(c *export.Commit) error {
		closed.add(c)
		sums.add(c)
		return f.add(ctx, c)
	})
	if err != nil {
		return nil, err
	}
	if err := closed.check(); err != nil {
		return nil, err
	}
	most := e.MaxFailedPatients
	if j.spec.RetryOf != "" {
		most = 1 // they have failed before: what can be had now shall be
	}
	if out := sums.verdict(most); out != nil {
		m.State, m.Outcome = string(jobs.Failed), out
	}
	m.Sums, m.FailedPatients = sums.stats(), int64(len(sums.patients))
	if err := f.finalErrors(ctx, sums.issues()); err != nil {
		return nil, err
	}
	if err := f.close(ctx); err != nil {
		return nil, err
	}
	return e.writeManifest(ctx, j, m)
}

// writeManifest publishes a manifest, or returns the one that was there first. The audit event is durable before it.
func (e *Engine) writeManifest(ctx context.Context, j *job, m *export.Manifest) (*export.Manifest, error) {
	fields := map[string]any{
		"attempt": m.Attempt, "patients": m.Patients, "failedPatients": m.FailedPatients, "resources": m.Rows, "files": len(m.Output),
		"errors": lineCount(m.Errors),
	}
	outcome := audit.OK
	if m.State != string(jobs.Complete) {
		outcome = audit.Failed
	}
	if err := e.audit(ctx, j, audit.State, outcome, "export "+m.State, fields); err != nil {
		return nil, err
	}
	err := e.writeOnce(ctx, export.ManifestKey(j.id), m)
	if errors.Is(err, storage.ErrExist) {
		return export.ReadManifest(ctx, e.Store, j.id)
	}
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return m, nil
}

func lineCount(files []export.FileInfo) (n int64) {
	for _, f := range files {
		n += f.Lines
	}
	return n
}

// closedChunks checks that every planned chunk, and every piece split off one, has its last record.
type closedChunks struct {
	total    int64
	done     map[export.ChunkID]bool
	children []export.ChunkID
}

func newClosedChunks(plans []*export.Plan) *closedChunks {
	last := plans[len(plans)-1]
	return &closedChunks{total: last.Base + last.Chunks, done: map[export.ChunkID]bool{}}
}

func (c *closedChunks) add(r *export.Commit) {
	if r.Continue == nil {
		c.done[r.Chunk] = true
	}
	for _, child := range r.Children {
		c.children = append(c.children, child.ID)
	}
}

func (c *closedChunks) check() error {
	for n := range c.total {
		if !c.done[export.PlanChunk(n)] {
			return &openChunkError{export.PlanChunk(n)}
		}
	}
	for _, child := range c.children {
		if !c.done[child] {
			return &openChunkError{child}
		}
	}
	return nil
}
