package fanout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"sluice/bulkdata"
	"sluice/export"
	"sluice/fhir"
	"sluice/storage"
)

// job is what every item of one export needs: its immutable records, read once.
type job struct {
	id   string
	spec *export.Spec

	lock  *semaphore.Weighted  // guards the rest; held while the store is read, so whoever waits can be cancelled
	plans map[int]*export.Plan // by wave; only those that exist
	index *patientIndex
}

// jobCache keeps the records of the jobs that this process works on.
type jobCache struct {
	mu sync.Mutex
	m  map[string]*job
}

// cachedJobs bounds the cache; records are small but for the owner index.
const cachedJobs = 64

func newJobCache() *jobCache { return &jobCache{m: map[string]*job{}} }

// get returns the job, or nil when it is buried or was never finished being created.
func (c *jobCache) get(ctx context.Context, e *Engine, id string) (*job, error) {
	dead, err := export.Tombstoned(ctx, e.Store, id)
	if err != nil {
		return nil, err
	}
	if dead {
		c.drop(id)
		return nil, nil
	}
	c.mu.Lock()
	j := c.m[id]
	c.mu.Unlock()
	if j != nil {
		return j, nil
	}
	spec, err := export.ReadSpec(ctx, e.Store, id)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read spec: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if j := c.m[id]; j != nil {
		return j, nil
	}
	if len(c.m) >= cachedJobs {
		for k := range c.m {
			delete(c.m, k)
			break
		}
	}
	j = newJob(id, spec)
	c.m[id] = j
	return j, nil
}

func newJob(id string, spec *export.Spec) *job {
	return &job{id: id, spec: spec, lock: semaphore.NewWeighted(1), plans: map[int]*export.Plan{}}
}

func (c *jobCache) drop(id string) {
	c.mu.Lock()
	delete(c.m, id)
	c.mu.Unlock()
}

// plan returns the plan of a wave (0: the first pass), storage.ErrNotExist when it is not written yet.
func (j *job) plan(ctx context.Context, s storage.Store, wave int) (*export.Plan, error) {
	if err := j.lock.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer j.lock.Release(1)
	if p := j.plans[wave]; p != nil {
		return p, nil
	}
	p, err := export.ReadPlan(ctx, s, j.id, wave)
	if err != nil {
		return nil, err
	}
	j.plans[wave] = p
	return p, nil
}

// planOf returns the plan that holds a chunk.
func (j *job) planOf(ctx context.Context, s storage.Store, chunk int64) (*export.Plan, error) {
	for wave := 0; ; wave++ {
		p, err := j.plan(ctx, s, wave)
		if err != nil {
			return nil, fmt.Errorf("plan of chunk %d: %w", chunk, err)
		}
		if chunk < p.Base+p.Chunks {
			return p, nil
		}
	}
}

// allPlans returns the plans written so far, in order.
func (j *job) allPlans(ctx context.Context, s storage.Store) ([]*export.Plan, error) {
	var ps []*export.Plan
	for wave := 0; ; wave++ {
		p, err := j.plan(ctx, s, wave)
		if errors.Is(err, storage.ErrNotExist) {
			return ps, nil
		}
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
}

// system tells that the job scans types instead of asking patient by patient.
func (j *job) system() bool { return j.spec.Request.Level == bulkdata.System }

// wants tells whether rows of a type belong into this export.
func (j *job) wants(typ string) bool { return slices.Contains(j.spec.Types, typ) }

// followed returns the types that are only reached by reference: rows of them are fetched in waves.
func (j *job) followed(p *export.Plan) map[string]fhir.TypeSearch {
	m := map[string]fhir.TypeSearch{}
	if j.system() {
		return m
	}
	for _, s := range p.Searches {
		if s.Param == "" {
			m[s.Type] = s
		}
	}
	return m
}

// nextItem returns the item that follows the closed chunks of pass p.
func (e *Engine) nextItem(j *job, wave int, chunks int64) string {
	if j.system() || wave >= e.Depth || (wave > 0 && chunks == 0) {
		return itemFinish
	}
	return itemWave(wave + 1)
}

// lines returns the lines [from, to) of a plan's lists.
func lines(ctx context.Context, s storage.Store, p *export.Plan, from, to int) ([]string, error) {
	var out []string
	at := 0
	for _, part := range p.Parts {
		if at+part.Lines <= from || at >= to {
			at += part.Lines
			continue
		}
		err := export.ReadList(ctx, s, part.Key, func(line []byte) error {
			if at >= from && at < to {
				out = append(out, string(line))
			}
			at++
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", part.Key, err)
		}
	}
	if len(out) != min(to, at)-from && from < at {
		return nil, fmt.Errorf("plan %d of %s is shorter than it says", p.Wave, j8(p))
	}
	return out, nil
}

func j8(p *export.Plan) string { return "attempt " + p.Attempt }
