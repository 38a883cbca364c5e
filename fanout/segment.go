package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/export"
	"sluice/fhir"
	"sluice/storage"
)

// segment is what one checkpoint publishes: parts, and after them the commit record that makes them exist. It belongs to one
// goroutine.
type segment struct {
	e       *Engine
	job     string
	attempt string
	began   time.Time
	parts   int // numbers the parts of this attempt
	rows    map[string]int64
	bytes   int64
	open    map[string]*openPart
	errors  *openPart
	done    []pending
	record  export.Commit
}

// pending is a part that is closed: in the store already.
type pending struct {
	part export.Part
	errs bool
}

func (e *Engine) newSegment(j *job, attempt string, chunk export.ChunkID, seq int) *segment {
	return &segment{
		e: e, job: j.id, attempt: attempt, began: time.Now(), rows: map[string]int64{}, open: map[string]*openPart{},
		record: export.Commit{Format: j.spec.Format, Attempt: attempt, Chunk: chunk, Seq: seq},
	}
}

// newPart opens a part for rows of a type.
func (s *segment) newPart(typ string) *openPart {
	s.parts++
	return newOpenPart(export.PartKey(s.job, typ, s.record.Chunk, s.record.Seq, s.attempt, s.parts), typ)
}

// write adds n complete lines of one type.
func (s *segment) write(typ string, lines []byte, n int64) error {
	s.count(typ, n, int64(len(lines)))
	return s.append(typ, lines)
}

// append is write for lines that are counted already.
func (s *segment) append(typ string, lines []byte) error {
	p := s.open[typ]
	if p == nil {
		p = s.newPart(typ)
		s.open[typ] = p
	}
	return p.write(lines)
}

func (s *segment) count(typ string, n, bytes int64) {
	s.rows[typ] += n
	s.bytes += bytes
}

// report adds a line to the error files: what went wrong with single rows or what the upstream itself had to say.
func (s *segment) report(out *fhir.OperationOutcome) error {
	if s.errors == nil {
		s.errors = newOpenPart(export.ErrorPartKey(s.job, s.record.Chunk, s.record.Seq, s.attempt), "OperationOutcome")
	}
	line, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return s.errors.write(append(line, '\n'))
}

// size is the number of compressed bytes that are in memory for this segment.
func (s *segment) size() int64 {
	var n int64
	for _, p := range s.open {
		n += p.size()
	}
	if s.errors != nil {
		n += s.errors.size()
	}
	return n
}

// due tells that the segment should be published at the next page border.
func (s *segment) due() bool {
	return s.size() >= s.e.PartSize || time.Since(s.began) >= s.e.Checkpoint
}

// empty tells that there is nothing worth a commit: not even an answer without rows, which need not be asked for again.
func (s *segment) empty() bool { return s.record.Requests == 0 && len(s.record.Failures) == 0 }

// closeType puts the part of a type whose chains are done, so that its memory is free: one open part at a time, but for included
// rows (Provenance).
func (s *segment) closeType(ctx context.Context, typ string) error {
	p := s.open[typ]
	if p == nil {
		return nil
	}
	part, err := p.put(ctx, s.e)
	if err != nil {
		return err
	}
	delete(s.open, typ)
	s.done = append(s.done, pending{part: part})
	return nil
}

// errConflict tells that somebody else has committed this segment: adopt what it wrote.
var errConflict = errors.New("segment committed by another")

// publish makes the segment exist: parts first, then the commit record, created only if absent. It returns errConflict when
// another attempt won. next is where the chunk goes on; nil closes it.
func (s *segment) publish(ctx context.Context, next *export.Position) (*export.Commit, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	open := slices.Collect(maps.Values(s.open))
	if s.errors != nil {
		open = append(open, s.errors)
	}
	closed := make([]pending, len(open))
	for i, p := range open {
		closed[i].errs = p == s.errors
		g.Go(func() (err error) {
			defer recovered(&err)
			closed[i].part, err = p.put(gctx, s.e)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r := &s.record
	for _, p := range append(s.done, closed...) {
		if p.errs {
			r.Errors = append(r.Errors, p.part)
		} else {
			r.Parts = append(r.Parts, p.part)
		}
	}
	slices.SortFunc(r.Parts, func(a, b export.Part) int { return strings.Compare(a.Key, b.Key) })
	r.Written, r.Continue = time.Now().UTC(), next
	key := export.CommitKey(s.job, r.Chunk, r.Seq)
	err := s.e.writeOnce(ctx, key, r)
	if errors.Is(err, storage.ErrExist) {
		var won *export.Commit
		if won, err = export.ReadCommit(ctx, s.e.Store, key); err == nil && won.Attempt != r.Attempt {
			return nil, errConflict
		} // else an earlier try of ours did it
	}
	if err != nil {
		return nil, fmt.Errorf("commit %d of chunk %s: %w", r.Seq, r.Chunk, err)
	}
	if s.e.Rows != nil {
		for typ, n := range s.rows {
			s.e.Rows(typ, n)
		}
	}
	return r, nil
}
