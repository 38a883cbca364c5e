package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"sluice/export"
	"sluice/storage"
	"sluice/storage/filestore"
	"sluice/test/stack"
)

// million plans an export of a million patients and cancels it.
func million(ctx context.Context, b stack.Binaries, dir string) error {
	s, err := open(ctx, b, dir, 1_000_000, 4, 16)
	if err != nil {
		return err
	}
	defer s.close()
	before, err := s.memory(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	status, err := s.client.KickOff(ctx, "/Patient/$export")
	if err != nil {
		return err
	}
	kickoff := time.Since(began)
	if err := s.await(ctx, func(p stack.Progress) bool { return p.Planned }, s.plan); err != nil {
		return err
	}
	planned := time.Since(began)
	time.Sleep(3 * time.Second) // work is under way
	after, err := s.memory(ctx)
	if err != nil {
		return err
	}
	u, err := s.replica.Usage()
	if err != nil {
		return err
	}
	fmt.Printf("a plan of 1,000,000 patients: kick-off %.3f s, plan %.1f s, Redis %.1f MB, peak memory of the gateway %.0f MiB\n",
		kickoff.Seconds(), planned.Seconds(), float64(after-before)/1e6, float64(u.Peak)/(1<<20))
	if err := s.client.Delete(ctx, status); err != nil {
		return err
	}
	switch {
	case kickoff > mostKickoff:
		return errors.New("the kick-off waits for something")
	case planned > mostPlan:
		return errors.New("the plan takes too long")
	case after-before > mostRedis:
		return errors.New("too much is held in Redis")
	}
	return nil
}

// plan looks only whether there is one.
func (s *site) plan(_ context.Context, job string) (p stack.Progress, err error) {
	_, err = os.Stat(filepath.Join(s.store(), export.PlanKey(job, 0)))
	p.Planned = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return p, err
}

type pace struct {
	rowsPerSecond float64
	peak          int64
}

// warm is how long exports are made one after the other, at least: a process that has just started is small.
const warm = 15 * time.Second

// whole exports all patients, several times when they are few; the rows are counted by the manifests.
func whole(ctx context.Context, b stack.Binaries, dir string, patients int) (r pace, err error) {
	s, err := open(ctx, b, dir, patients, 4, 16)
	if err != nil {
		return r, err
	}
	defer s.close()
	began, rows, exports := time.Now(), int64(0), 0
	for exports == 0 || time.Since(began) < warm {
		n, err := s.export(ctx)
		if err != nil {
			return r, err
		}
		if want := int64(patients * rowsPerPatient); n != want {
			return r, fmt.Errorf("%d patients: %d rows, want %d", patients, n, want)
		}
		rows, exports = rows+n, exports+1
	}
	took := time.Since(began)
	u, err := s.replica.Usage()
	if err != nil {
		return r, err
	}
	r = pace{float64(rows) / took.Seconds(), u.Peak}
	fmt.Printf("%d × %d patients: %d rows in %.1f s, %.0f rows/s, peak memory %.0f MiB\n",
		exports, patients, rows, took.Seconds(), r.rowsPerSecond, float64(r.peak)/(1<<20))
	return r, nil
}

// export makes one export and returns how many rows its manifest counts.
func (s *site) export(ctx context.Context) (int64, error) {
	status, err := s.client.KickOff(ctx, "/Patient/$export")
	if err != nil {
		return 0, err
	}
	store, err := filestore.New(s.store())
	if err != nil {
		return 0, err
	}
	for {
		m, err := export.ReadManifest(ctx, store, path.Base(status))
		if err == nil {
			return m.Rows, nil
		}
		if !errors.Is(err, storage.ErrNotExist) {
			return 0, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
