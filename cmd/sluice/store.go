package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/config"
	"sluice/storage"
	"sluice/storage/blobstore"
	"sluice/storage/filestore"
)

// probeFor is how long a store may take to show what it can.
const probeFor = 30 * time.Second

// weaker is said of a store that does not decide by itself which of two writers was first.
const weaker = "weaker: this store has no create-if-absent, so that Redis decides who writes; if Redis loses its data at the wrong moment, rows may double"

// openStore opens the store and finds out what it can; with embedded state it is locked, because two of them on one store would each do
// all the work.
func (in *instance) openStore(ctx context.Context, failed func(op string)) error {
	embedded := !in.cfg.State.Redis.IsSet()
	s, closer, err := newStore(ctx, in.cfg, embedded)
	if err != nil {
		return err
	}
	in.closers = append(in.closers, closer)
	s = failpoints.bucket(s)
	ctx, done := context.WithTimeout(ctx, probeFor)
	defer done()
	holds, err := storage.ProbeIfAbsent(ctx, s)
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	switch {
	case !holds && embedded:
		return errors.New("storage: this store has no create-if-absent; with embedded state two processes could not be told apart\nhint: set state.redis, or use another store")
	case !holds:
		in.weak = true
		in.log.Warn(weaker)
		s = storage.Weak(s, func(ctx context.Context, key, id string) (bool, error) {
			return in.jobs.First(ctx, key, id, storage.FirstFor)
		})
	}
	in.store = storage.Resume(storage.Watch(failpoints.store(s), failed))
	return nil
}

// newStore opens what storage.url names, and locks it if it is a folder and that is asked for. It does not talk to a bucket.
func newStore(ctx context.Context, cfg *config.Config, lock bool) (storage.Store, func(), error) {
	dir, ok := cfg.Storage.Dir()
	if !ok {
		at, err := blobstore.Parse(cfg.Storage.URL)
		if err != nil {
			return nil, nil, fmt.Errorf("storage.url: %w", err)
		}
		s, err := blobstore.Open(ctx, at)
		if err != nil {
			return nil, nil, fmt.Errorf("storage: %w", err)
		}
		return s, func() { _ = s.Close() }, nil
	}
	fs, err := filestore.New(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("storage: %w", err)
	}
	if !lock {
		return fs, func() {}, nil
	}
	unlock, err := fs.Lock()
	if err != nil {
		return nil, nil, fmt.Errorf("storage %s: %w\nhint: another Sluice with embedded state works on this folder; several processes need state.redis", dir, err)
	}
	return fs, func() { _ = unlock() }, nil
}
