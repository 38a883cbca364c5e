package fanout

import (
	"context"
	"fmt"
	"slices"

	"sluice/export"
)

// planListLines is how many lines one list of a plan holds: enough to be few, few enough to be read for one chunk.
const planListLines = 2_000

// planWriter collects the lines of a plan into lists; every list but the last holds whole chunks of the largest size.
type planWriter struct {
	e     *Engine
	j     *job
	p     *export.Plan
	lines []string
	total int
}

// add adds a line; most is the largest number of lines of a chunk.
func (w *planWriter) add(ctx context.Context, line string, most int) error {
	w.lines = append(w.lines, line)
	w.total++
	if full := max(planListLines/most, 1) * most; len(w.lines) > full {
		return w.put(ctx, full)
	}
	return nil
}

// close writes the rest and fixes the size of chunks. What fits one list is few: its chunks are smaller, so that all workers get
// some of it.
func (w *planWriter) close(ctx context.Context, most int) error {
	w.p.ChunkSize = most
	if w.total == 0 {
		return nil
	}
	if len(w.p.Parts) == 0 {
		share := (w.total + 4*w.e.Workers - 1) / (4 * w.e.Workers)
		w.p.ChunkSize = min(max(share, 1), most)
	}
	if err := w.put(ctx, len(w.lines)); err != nil {
		return err
	}
	w.p.Chunks = int64((w.total + w.p.ChunkSize - 1) / w.p.ChunkSize)
	return nil
}

func (w *planWriter) put(ctx context.Context, n int) error {
	key := export.PlanPartKey(w.j.id, w.p.Attempt, len(w.p.Parts))
	l, err := export.NewListWriter(ctx, w.e.Store, key)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	for _, line := range w.lines[:n] {
		if err := l.Line([]byte(line)); err != nil {
			_ = l.Abort()
			return fmt.Errorf("write %s: %w", key, err)
		}
	}
	part, err := l.Commit()
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	w.p.Parts = append(w.p.Parts, part)
	w.lines = slices.Delete(w.lines, 0, n)
	return nil
}
