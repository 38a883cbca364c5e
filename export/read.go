package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sluice/storage"
)

// ErrFormat says that a record has a format number that this process does not know. It is left alone: a newer process wrote it.
var ErrFormat = errors.New("export: unknown record format")

// Limits of records, so that a wrong object cannot fill the memory.
const (
	maxSpec     = 16 << 20
	maxPlan     = 64 << 20
	maxCommit   = 128 << 20 // hashes of a chain of millions of rows
	maxManifest = 64 << 20
	maxFile     = 256 << 20 // about a million extents
)

// record is implemented by everything that carries a format number.
type record interface{ formatNumber() int }

func (r Spec) formatNumber() int     { return r.Format }
func (r Plan) formatNumber() int     { return r.Format }
func (r Commit) formatNumber() int   { return r.Format }
func (r Manifest) formatNumber() int { return r.Format }
func (r File) formatNumber() int     { return r.Format }

// ReadSpec reads the record of the request; storage.ErrNotExist when there is none.
func ReadSpec(ctx context.Context, s storage.Store, job string) (*Spec, error) {
	key := SpecKey(job)
	return read(ctx, s, key, maxSpec, func(r *Spec) bool { return r.Job == job })
}

// ReadPlan reads the plan of the first pass (wave 0) or of reference wave k; storage.ErrNotExist when there is none yet.
func ReadPlan(ctx context.Context, s storage.Store, job string, wave int) (*Plan, error) {
	return read(ctx, s, PlanKey(job, wave), maxPlan, func(r *Plan) bool { return r.Wave == wave })
}

// ReadCommit reads the commit record under a key that List or CommitKey gave.
func ReadCommit(ctx context.Context, s storage.Store, key string) (*Commit, error) {
	return read(ctx, s, key, maxCommit, func(r *Commit) bool {
		job, _, _ := strings.Cut(strings.TrimPrefix(key, Root), "/")
		return key == CommitKey(job, r.Chunk, r.Seq)
	})
}

// ReadManifest reads the last record of an export; storage.ErrNotExist while it is not finished.
func ReadManifest(ctx context.Context, s storage.Store, job string) (*Manifest, error) {
	return read(ctx, s, ManifestKey(job), maxManifest, func(r *Manifest) bool { return r.Job == job })
}

// ReadFile reads the extent table under the key that the manifest names.
func ReadFile(ctx context.Context, s storage.Store, key string) (*File, error) {
	return read(ctx, s, key, maxFile, func(r *File) bool { return r.check() == nil })
}

// Tombstoned reports whether the export was cancelled or deleted. On an error nobody knows, and nothing may be served.
func Tombstoned(ctx context.Context, s storage.Store, job string) (bool, error) {
	_, err := s.Stat(ctx, TombstoneKey(job))
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", TombstoneKey(job), err)
	}
	return true, nil
}

// read reads one record; ours says whether it belongs under its key. What is wrong with a damaged record is not told in detail: records
// name patients, and errors must not.
func read[T record](ctx context.Context, s storage.Store, key string, limit int64, ours func(*T) bool) (*T, error) {
	body, err := storage.ReadAll(ctx, s, key, limit)
	if err != nil {
		return nil, err
	}
	r := new(T)
	if json.Unmarshal(body, r) != nil {
		var head struct {
			Format int `json:"format"`
		}
		if json.Unmarshal(body, &head) == nil && !known(head.Format) {
			return nil, fmt.Errorf("read %s: %w %d", key, ErrFormat, head.Format)
		}
		return nil, fmt.Errorf("read %s: %w", key, ErrCorrupt)
	}
	if format := (*r).formatNumber(); !known(format) {
		return nil, fmt.Errorf("read %s: %w %d", key, ErrFormat, format)
	}
	if !ours(r) {
		return nil, fmt.Errorf("read %s: %w", key, ErrCorrupt)
	}
	return r, nil
}
