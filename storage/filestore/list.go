package filestore

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"sluice/storage"
)

// List walks the tree, holding the names of one directory a level; see storage.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if !storage.ValidPrefix(prefix) {
			yield(storage.Info{}, storage.ErrInvalidKey)
			return
		}
		dir, rest := storage.SplitPrefix(prefix)
		s.walk(ctx, dir, rest, yield)
	}
}

// walk gives the objects below dir ("" or with "/" at the end) whose next segment begins with rest. It returns false when the walk is over.
func (s *Store) walk(ctx context.Context, dir, rest string, yield func(storage.Info, error) bool) bool {
	entries, err := s.entries(ctx, dir, rest)
	if err != nil {
		yield(storage.Info{}, err)
		return false
	}
	for _, e := range entries {
		if e.isDir {
			if !s.walk(ctx, dir+e.name, "", yield) {
				return false
			}
			continue
		}
		i, err := s.Stat(ctx, dir+e.name)
		if errors.Is(err, storage.ErrNotExist) {
			continue // deleted meanwhile
		}
		if !yield(i, err) || err != nil {
			return false
		}
	}
	return true
}

// Dirs gives the next path segments below prefix; see storage.Store.
func (s *Store) Dirs(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if !storage.ValidDir(prefix) {
			yield("", storage.ErrInvalidKey)
			return
		}
		entries, err := s.entries(ctx, prefix, "")
		if err != nil {
			yield("", err)
			return
		}
		for _, e := range entries {
			if !e.isDir {
				continue
			}
			holds, err := s.holdsObject(ctx, prefix+e.name)
			if err != nil {
				yield("", err)
				return
			}
			if holds && !yield(strings.TrimSuffix(e.name, "/"), nil) {
				return
			}
		}
	}
}

// holdsObject reports whether any object is below dir: a crash can leave empty directories.
func (s *Store) holdsObject(ctx context.Context, dir string) (bool, error) {
	f, err := os.Open(s.path(dir))
	if err != nil {
		return false, present(err)
	}
	defer f.Close()
	for {
		found, err := f.ReadDir(64)
		for _, d := range found {
			e, ok := toEntry(dir, d)
			if !ok {
				continue
			}
			if !e.isDir {
				return true, nil
			}
			if holds, err := s.holdsObject(ctx, dir+e.name); holds || err != nil {
				return holds, err
			}
		}
		if err == io.EOF {
			return false, nil
		}
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return false, present(err)
		}
	}
}

// present drops the errors that say "not there": a directory that is removed while we look holds nothing.
func present(err error) error {
	if err = absent(err); errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	return err
}

// entry is one name in a directory; a directory's ends with "/", so that names sort as the keys below them do.
type entry struct {
	name  string
	isDir bool
}

// entries returns what dir holds of ours and begins with rest, in key order. A directory that is not there holds nothing.
func (s *Store) entries(ctx context.Context, dir, rest string) ([]entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, err := os.ReadDir(s.path(dir))
	if err != nil {
		return nil, present(err)
	}
	var entries []entry
	for _, d := range found {
		if e, ok := toEntry(dir, d); ok && strings.HasPrefix(d.Name(), rest) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, nil
}

// toEntry leaves out what cannot be an object of ours: the hidden directory, sockets and links, names that are no keys.
func toEntry(dir string, d fs.DirEntry) (entry, bool) {
	if !validKey(dir + d.Name()) {
		return entry{}, false
	}
	switch {
	case d.IsDir():
		return entry{d.Name() + "/", true}, true
	case d.Type().IsRegular():
		return entry{d.Name(), false}, true
	}
	return entry{}, false
}
