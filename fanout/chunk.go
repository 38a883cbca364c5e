package fanout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/export"
	"sluice/fhir"
	"sluice/jobs"
	"sluice/storage"
)

// chunkRun is one worker's work on one chunk, from where its commit records end. It belongs to one goroutine.
type chunkRun struct {
	e      *Engine
	j      *job
	lease  jobs.Lease
	id     export.ChunkID
	first  *export.Plan // the plan of the first pass: time window and searches
	shape  *shape
	bases  []string
	wanted map[string]fhir.TypeSearch // types that are followed by reference

	pos     export.Position
	until   *export.Position // where the chunk ends because the rest was split off; nil: at its end
	claimed time.Time
	attempt string
	seq     int
	seg     *segment

	seen    map[rowID]bool // rows met by the item at pos; true: written
	refs    map[string]struct{}
	stats   map[string]*export.ChainStat
	tries   map[string]*tries
	buffer  []byte
	caution caution
	index   *patientIndex
	put     func(*openPart) (export.Part, error)
	patient func(id string) (int, bool, error)
}

// chunk works on a chunk until it is closed, or until it must be put back.
func (e *Engine) chunk(ctx, drain context.Context, j *job, l jobs.Lease, id export.ChunkID) error {
	r, closed, err := e.openChunk(ctx, j, l, id)
	if err != nil {
		return err
	}
	if !closed {
		if err := r.run(ctx, drain); err != nil {
			return r.giveBack(ctx, err)
		}
	}
	return e.Jobs.Complete(ctx, l)
}

// openChunk reads what is committed of the chunk and prepares to go on from there.
func (e *Engine) openChunk(ctx context.Context, j *job, l jobs.Lease, id export.ChunkID) (*chunkRun, bool, error) {
	n, ok := id.Root()
	if !ok {
		return nil, false, fmt.Errorf("chunk %q: %w", id, errNewer)
	}
	first, err := j.plan(ctx, e.Store, 0)
	if err != nil {
		return nil, false, err
	}
	p, err := j.planOf(ctx, e.Store, n)
	if err != nil {
		return nil, false, err
	}
	r := &chunkRun{
		e: e, j: j, lease: l, id: id, claimed: time.Now(), first: first, bases: e.Source.Bases(), wanted: j.followed(first), attempt: randomID(),
		seen: map[rowID]bool{}, refs: map[string]struct{}{}, tries: map[string]*tries{}, caution: newCaution(l),
	}
	r.put = func(p *openPart) (export.Part, error) { return p.put(ctx, e) }
	r.patient = func(id string) (int, bool, error) { return r.place(ctx, id) }
	if r.shape, err = e.shapeOf(ctx, j, p, n); err != nil {
		return nil, false, err
	}
	if err := r.born(ctx); err != nil {
		return nil, false, err
	}
	closed, err := r.resume(ctx)
	r.newSegment()
	return r, closed, err
}

// resume adopts all commit records of the chunk: whoever wrote them, they are the truth.
func (r *chunkRun) resume(ctx context.Context) (closed bool, err error) {
	for ; ; r.seq++ {
		c, err := export.ReadCommit(ctx, r.e.Store, export.CommitKey(r.j.id, r.id, r.seq))
		if errors.Is(err, storage.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read commit %d of chunk %s: %w", r.seq, r.id, err)
		}
		if err := r.announce(ctx, c); err != nil {
			return false, err
		}
		if c.Continue == nil {
			return true, nil
		}
		if !sameItem(*c.Continue, r.pos) || r.seq == 0 {
			clear(r.seen)
		}
		r.pos = *c.Continue
		for b := c.ChainIDs; len(b) >= 17; b = b[17:] {
			r.seen[rowID(b[:16])] = b[16] == 1
		}
		for _, ref := range c.References {
			r.refs[ref] = struct{}{}
		}
	}
}

func sameItem(a, b export.Position) bool { return a.Type == b.Type && a.Item == b.Item }

func (r *chunkRun) newSegment() {
	r.seg = r.e.newSegment(r.j, r.attempt, r.id, r.seq)
	r.stats = map[string]*export.ChainStat{}
}

// run works through the chains that are left.
func (r *chunkRun) run(ctx, drain context.Context) error {
	if len(r.shape.types) == 0 {
		return r.checkpoint(ctx, nil)
	}
	for {
		c, err := r.shape.chain(r.pos.Type, r.pos.Item, r.pos.Split)
		if err != nil {
			return err
		}
		switch {
		case c.skip:
		case r.caution.poisoned():
			err = r.skipPoison(ctx, c)
		default:
			err = r.chain(ctx, drain, c)
		}
		if err != nil {
			return err
		}
		next, more := r.shape.after(r.pos)
		if !more || r.until != nil && !next.Before(*r.until) {
			return r.checkpoint(ctx, nil)
		}
		if next.Type != r.pos.Type {
			if err := r.seg.closeType(ctx, r.shape.types[r.pos.Type]); err != nil {
				return err
			}
		}
		if !sameItem(next, r.pos) {
			clear(r.seen)
			r.seg.record.ChainIDs = r.seg.record.ChainIDs[:0]
		}
		r.pos = next
		if err := r.border(ctx, drain); err != nil {
			return err
		}
	}
}

// border is called where nothing is half read: the place to commit, and to stop.
func (r *chunkRun) border(ctx, drain context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if drain.Err() != nil {
		return errDraining
	}
	if r.seg.due() || r.caution.due() {
		if err := r.checkpoint(ctx, &r.pos); err != nil {
			return err
		}
		r.caution.committed()
	}
	if r.worthSplitting() {
		if err := r.split(ctx); err != nil {
			return err
		}
	}
	if r.e.held.outOfTouch(redisPatience) {
		return &putBack{reason: "the state store cannot be reached"}
	}
	return nil
}

// checkpoint commits the segment, tells Redis, and begins the next one. next nil closes the chunk.
func (r *chunkRun) checkpoint(ctx context.Context, next *export.Position) error {
	rec := &r.seg.record
	for _, st := range r.stats {
		rec.Chains = append(rec.Chains, *st)
	}
	if next == nil {
		rec.Patients, rec.ChainIDs = r.shape.people, nil
	} else {
		at := *next
		next = &at
	}
	if _, err := r.seg.publish(ctx, next); err != nil {
		if errors.Is(err, errConflict) {
			return &putBack{reason: "taken over by another worker"}
		}
		return fmt.Errorf("publish: %w", err)
	}
	counters := jobs.Counters{
		Patients: rec.Patients, Bytes: r.seg.bytes, Requests: rec.Requests, Errors: int64(len(rec.Failures)),
	}
	for _, n := range r.seg.rows {
		counters.Rows += n
	}
	err := r.e.Jobs.Checkpoint(ctx, r.lease, int64(r.seq), counters, r.seg.rows)
	if errors.Is(err, jobs.ErrLeaseLost) {
		return err
	}
	if err != nil { // the commit stands; counters are made anew from the records at the end
		r.e.Log.WarnContext(ctx, "checkpoint not counted", "job", r.j.id, "item", r.lease.Item, "error", err)
	}
	r.seq++
	r.newSegment()
	return nil
}

// giveBack commits what is whole before the chunk is put back, so that nothing of it is read again.
func (r *chunkRun) giveBack(ctx context.Context, cause error) error {
	if context.Cause(ctx) == errStopped {
		cause = errStopped
	}
	var back *putBack
	if !errors.As(cause, &back) || r.seg.empty() || errors.Is(context.Cause(ctx), errLost) {
		return cause
	}
	clean, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if err := r.checkpoint(clean, &r.pos); err != nil {
		r.e.Log.WarnContext(ctx, "last commit before handing over", "job", r.j.id, "item", r.lease.Item, "error", err)
	}
	return cause
}

// meet remembers a row of the item at hand.
func (r *chunkRun) meet(id rowID, written bool) {
	r.seen[id] = written
	flag := byte(0)
	if written {
		flag = 1
	}
	r.seg.record.ChainIDs = append(append(r.seg.record.ChainIDs, id[:]...), flag)
}

// follow notes a reference for the next wave, once in a chunk.
func (r *chunkRun) follow(ref string) {
	if _, dup := r.refs[ref]; !dup {
		r.refs[ref] = struct{}{}
		r.seg.record.References = append(r.seg.record.References, ref)
	}
}

// rows returns the sums of a type in this segment.
func (r *chunkRun) rows(typ string) *export.ChainStat {
	st := r.stats[typ]
	if st == nil {
		st = &export.ChainStat{Type: typ}
		r.stats[typ] = st
	}
	return st
}
