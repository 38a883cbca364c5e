package filestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeDir makes dir and its parents, and returns when the entry of each is on disk. The caller holds s.dirs for reading.
// That a directory is there is not enough to skip the sync: another writer may have made it and not synced it yet.
func (s *Store) makeDir(dir string) error {
	if dir == s.root {
		return nil
	}
	if _, ok := s.synced.Load(dir); ok {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := s.makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(parent); err != nil {
		return err
	}
	s.synced.Store(dir, struct{}{})
	return nil
}

// mkdirSynced makes dir and the parents it lacks, and returns when the new entries are on disk.
func mkdirSynced(dir string) error {
	if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := mkdirSynced(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// publish runs place in an existing directory dir. A directory removed by another process since we made it is made again.
func (s *Store) publish(dir string, place func() error) error {
	s.dirs.RLock()
	defer s.dirs.RUnlock()
	for try := 0; ; try++ {
		if err := s.makeDir(dir); err != nil {
			if errors.Is(err, fs.ErrNotExist) && try < 3 {
				s.forget(dir)
				continue
			}
			return err
		}
		err := place()
		if errors.Is(err, fs.ErrNotExist) && try < 3 {
			s.forget(dir)
			continue
		}
		return err
	}
}

func (s *Store) forget(dir string) {
	for ; dir != s.root; dir = filepath.Dir(dir) {
		s.synced.Delete(dir)
	}
}

// prune removes dir and its parents up to the root, as far as they are empty.
func (s *Store) prune(dir string) {
	s.dirs.Lock()
	defer s.dirs.Unlock()
	for ; dir != s.root; dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil {
			return // not empty: the file system decides
		}
		s.synced.Delete(dir)
	}
}
