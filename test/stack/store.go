package stack

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"sluice/export"
	"sluice/storage"
	"sluice/storage/blobstore"
	"sluice/storage/filestore"
)

// Progress is what the store says of one export: the truth, whatever a process or Redis believes.
type Progress struct {
	Job      string
	Planned  bool
	Chunks   int64 // planned so far
	Closed   int64 // chunks with their last commit record
	Commits  int64
	Requests int64 // that stand in commit records
	Finished bool  // there is a manifest
}

// Midway tells that something is committed, and not everything.
func (p Progress) Midway() bool { return p.Commits > 0 && p.Closed < p.Chunks && !p.Finished }

// Jobs lists the exports in a store.
func Jobs(ctx context.Context, place string) ([]string, error) {
	s, err := OpenStore(ctx, place)
	if err != nil {
		return nil, err
	}
	var ids []string
	for id, err := range s.Dirs(ctx, export.Root) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// ReadProgress reads the records of one export.
func ReadProgress(ctx context.Context, place, job string) (Progress, error) {
	p := Progress{Job: job}
	s, err := OpenStore(ctx, place)
	if err != nil {
		return p, err
	}
	for wave := 0; ; wave++ {
		plan, err := export.ReadPlan(ctx, s, job, wave)
		if errors.Is(err, storage.ErrNotExist) {
			break
		}
		if err != nil {
			return p, err
		}
		p.Planned, p.Chunks = true, plan.Base+plan.Chunks
	}
	for info, err := range s.List(ctx, export.CommitPrefix(job)) {
		if err != nil {
			return p, err
		}
		c, err := export.ReadCommit(ctx, s, info.Key)
		if err != nil {
			return p, err
		}
		p.Commits++
		p.Requests += c.Requests
		if c.Continue == nil {
			p.Closed++
		}
	}
	_, err = s.Stat(ctx, export.ManifestKey(job))
	p.Finished = err == nil
	if errors.Is(err, storage.ErrNotExist) {
		err = nil
	}
	return p, err
}

// Objects returns the keys below the prefix of one export.
func Objects(ctx context.Context, place, job string) ([]string, error) {
	s, err := OpenStore(ctx, place)
	if err != nil {
		return nil, err
	}
	var keys []string
	for info, err := range s.List(ctx, export.Prefix(job)) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, info.Key)
	}
	return keys, nil
}

// Orphans returns the objects of a finished export that its manifest does not need.
func Orphans(ctx context.Context, place, job string) ([]string, error) {
	s, err := OpenStore(ctx, place)
	if err != nil {
		return nil, err
	}
	m, err := export.ReadManifest(ctx, s, job)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, info := range append(slices.Clone(m.Output), m.Errors...) {
		f, err := export.ReadFile(ctx, s, info.Key)
		if err != nil {
			return nil, err
		}
		named[info.Key] = true
		for _, x := range f.Extents {
			named[x.Key] = true
		}
	}
	var orphans []string
	for _, dir := range []string{"output/", "errors/", "files/"} {
		for info, err := range s.List(ctx, export.Prefix(job)+dir) {
			if err != nil {
				return nil, err
			}
			if !named[info.Key] {
				orphans = append(orphans, info.Key)
			}
		}
	}
	return orphans, nil
}

var opened sync.Map // place → storage.Store

// OpenStore opens the store at a place: a folder, or the location of a bucket.
func OpenStore(ctx context.Context, place string) (storage.Store, error) {
	if s, ok := opened.Load(place); ok {
		return s.(storage.Store), nil
	}
	s, err := openStore(ctx, place)
	if err == nil {
		opened.Store(place, s)
	}
	return s, err
}

func openStore(ctx context.Context, place string) (storage.Store, error) {
	if !strings.Contains(place, "://") {
		return filestore.New(place)
	}
	at, err := blobstore.Parse(place)
	if err != nil {
		return nil, err
	}
	return blobstore.Open(ctx, at)
}

// StoreURL is a place as storage.url names it.
func StoreURL(place string) string {
	if strings.Contains(place, "://") {
		return place
	}
	return "file:" + place
}
