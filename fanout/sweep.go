package fanout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/audit"
	"sluice/export"
	"sluice/jobs"
	"sluice/storage"
)

// janitor removes what is no longer to be there: cancelled exports at once and again after Linger (a late writer may still put an
// object), expired ones at their time, remains of broken kick-offs. It looks at everything once a minute.
func (e *Engine) janitor(ctx context.Context) {
	round := time.NewTicker(time.Minute)
	defer round.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case id := <-e.bury:
			sleep(ctx, 2*e.Heartbeat) // the work under the job is being cut off
			err = e.tidy(ctx, id)
		case <-round.C:
			err = e.tidyAll(ctx)
		}
		if err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "janitor", "error", err)
		}
	}
}

func (e *Engine) tidyAll(ctx context.Context) error {
	var all []error
	for id, err := range e.Store.Dirs(ctx, export.Root) {
		if err != nil {
			return errors.Join(append(all, fmt.Errorf("list jobs: %w", err))...)
		}
		if err := e.tidy(ctx, id); err != nil {
			all = append(all, fmt.Errorf("job %s: %w", id, err))
		}
	}
	all = append(all, export.SweepJTIs(ctx, e.Store, time.Now()))
	err := errors.Join(all...)
	if err == nil && e.Swept != nil {
		e.Swept(e.removed.Swap(0))
	}
	return err
}

// tidy brings one job's objects to what its state asks for. It may be called at any time, by any replica, any number of times.
func (e *Engine) tidy(ctx context.Context, id string) error {
	grave, err := e.Store.Stat(ctx, export.TombstoneKey(id))
	switch {
	case err == nil:
		if stays, err := e.stillRead(ctx, id, grave); err != nil || stays {
			return err
		}
		if err := e.remove(ctx, id); err != nil {
			return err
		}
		if time.Since(grave.ModTime) >= e.Linger {
			return e.Store.Delete(ctx, export.TombstoneKey(id))
		}
		return nil
	case !errors.Is(err, storage.ErrNotExist):
		return err
	}
	m, err := export.ReadManifest(ctx, e.Store, id)
	switch {
	case err == nil && time.Now().After(m.Expires):
		return e.expire(ctx, id)
	case err == nil && time.Since(m.Finished) >= e.Linger && !e.swept[id]: // what a late writer put after the first sweep
		err := e.sweepOrphans(ctx, id, m)
		e.swept[id] = err == nil
		return err
	case err == nil:
		return nil
	case !errors.Is(err, storage.ErrNotExist):
		return err
	}
	return e.removeRemains(ctx, id)
}

// stillRead tells that an export has expired only just now: downloads that run may end.
func (e *Engine) stillRead(ctx context.Context, id string, grave storage.Info) (bool, error) {
	if time.Since(grave.ModTime) >= e.Linger {
		return false, nil
	}
	m, err := export.ReadManifest(ctx, e.Store, id)
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	return err == nil && !grave.ModTime.Before(m.Expires), err
}

// expire buries a finished export whose time is over: from now on nothing of it is served. Its objects stay for Linger, because a
// download that runs reads them one after another (DEL-06).
func (e *Engine) expire(ctx context.Context, id string) error {
	spec, err := export.ReadSpec(ctx, e.Store, id)
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	if err == nil {
		if err := e.audit(ctx, &job{id: id, spec: spec}, audit.Expired, audit.OK, "files removed at the end of their retention", nil); err != nil {
			return err
		}
	}
	if err := storage.Put(ctx, e.Store, export.TombstoneKey(id), []byte("{}"), storage.CreateOptions{ContentType: "application/json"}); err != nil {
		return err
	}
	e.Log.InfoContext(ctx, "expired", "job", id)
	return nil
}

// remove deletes all objects of a job but its tombstone; the spec first, so that no reconciler brings it back.
func (e *Engine) remove(ctx context.Context, id string) error {
	e.cache.drop(id)
	delete(e.swept, id)
	if err := e.Store.Delete(ctx, export.SpecKey(id)); err != nil {
		return err
	}
	for info, err := range e.Store.List(ctx, export.Prefix(id)) {
		if err != nil {
			return err
		}
		if info.Key == export.TombstoneKey(id) {
			continue
		}
		if err := e.drop(ctx, info.Key); err != nil {
			return err
		}
	}
	if err := e.Jobs.Forget(ctx, id); err != nil && !errors.Is(err, jobs.ErrUnknown) {
		return err
	}
	return nil
}

// drop deletes one object and counts it.
func (e *Engine) drop(ctx context.Context, key string) error {
	err := e.Store.Delete(ctx, key)
	if err == nil {
		e.removed.Add(1)
	}
	return err
}

// removeRemains deletes a prefix without spec whose objects are all old: nothing will ever use it.
func (e *Engine) removeRemains(ctx context.Context, id string) error {
	if _, err := e.Store.Stat(ctx, export.SpecKey(id)); !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	for info, err := range e.Store.List(ctx, export.Prefix(id)) {
		if err != nil {
			return err
		}
		if time.Since(info.ModTime) < remains {
			return nil
		}
	}
	return e.remove(ctx, id)
}

// sweepOrphans deletes the objects of a finished export that its manifest does not need: parts that lost a race or were left by a
// crash. It must never run before the manifest exists: until then a stopped worker may still commit what it wrote.
func (e *Engine) sweepOrphans(ctx context.Context, id string, m *export.Manifest) error {
	named := map[string]bool{}
	for _, info := range append(append([]export.FileInfo{}, m.Output...), m.Errors...) {
		named[info.Key] = true
		f, err := export.ReadFile(ctx, e.Store, info.Key)
		if err != nil {
			return err
		}
		for _, x := range f.Extents {
			named[x.Key] = true
		}
	}
	for _, dir := range []string{"output/", "errors/", "files/"} {
		for info, err := range e.Store.List(ctx, export.Prefix(id)+dir) {
			if err != nil {
				return err
			}
			if named[info.Key] || !strings.HasPrefix(info.Key, export.Prefix(id)) {
				continue
			}
			if err := e.drop(ctx, info.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// remains is how old what a broken kick-off left behind must be before it is removed.
const remains = time.Hour
