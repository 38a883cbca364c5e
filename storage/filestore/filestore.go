// Package filestore keeps objects as files below one directory: the store of a single machine or of a shared file system.
//
// An object's key is its path. What is being written lies in the hidden directory .tmp of the root and becomes visible only when it
// is whole and on disk: by rename for a plain write, by link for create-if-absent, because link is what a file system decides for
// exactly one of many (O_EXCL on the final name would show half-written objects, rename would replace the winner's). The directory
// is synced before an answer is given, so what was answered survives a power loss. A deletion is not synced: after a power loss it
// may have to be repeated.
package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"sluice/storage"
)

const (
	tempDir    = ".tmp"    // same file system as the objects: rename and link need that
	lockFile   = ".lock"   // held by the process that owns the store, see Lock
	tempMaxAge = time.Hour // older temp files belong to nobody
)

// Store keeps objects below one directory.
type Store struct {
	root string

	// dirs guards the shape of the tree: whoever makes a directory and puts a file into it holds it for reading, whoever removes
	// an empty directory for writing.
	dirs sync.RWMutex
	// synced holds the directories whose own entry is known to be on disk. The same lock's readers add, its writers remove.
	synced sync.Map
}

var _ storage.Store = (*Store)(nil)

// New opens the store below dir, makes the directory if it is not there, and removes what writers that died left more than an hour ago.
func New(dir string) (*Store, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("storage directory: %w", err)
	}
	if err := mkdirSynced(filepath.Join(root, tempDir)); err != nil {
		return nil, fmt.Errorf("storage directory: %w", err)
	}
	s := &Store{root: root}
	if err := s.cleanTemp(time.Now().Add(-tempMaxAge)); err != nil {
		return nil, fmt.Errorf("clean storage directory: %w", err)
	}
	return s, nil
}

func (s *Store) cleanTemp(before time.Time) error {
	dir := filepath.Join(s.root, tempDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.ModTime().After(before) {
			continue // gone meanwhile, or a living writer's
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// validKey also refuses what the store keeps for itself: first segments that begin with a dot.
func validKey(key string) bool { return storage.ValidKey(key) && key[0] != '.' }

func (s *Store) path(key string) string { return filepath.Join(s.root, filepath.FromSlash(key)) }

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	if !validKey(key) {
		return storage.Info{}, storage.ErrInvalidKey
	}
	if err := ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	fi, err := os.Lstat(s.path(key))
	if err != nil {
		return storage.Info{}, absent(err)
	}
	if !fi.Mode().IsRegular() {
		return storage.Info{}, storage.ErrNotExist
	}
	return info(key, fi), nil
}

// Delete removes an object and the directories it leaves empty; see storage.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if !validKey(key) {
		return storage.ErrInvalidKey
	}
	if _, err := s.Stat(ctx, key); err != nil {
		if errors.Is(err, storage.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := os.Remove(s.path(key)); err != nil && !errors.Is(absent(err), storage.ErrNotExist) {
		return err
	}
	s.prune(filepath.Dir(s.path(key)))
	return nil
}

func info(key string, fi fs.FileInfo) storage.Info {
	return storage.Info{Key: key, Size: fi.Size(), ModTime: fi.ModTime()}
}

// absent turns the ways in which a file system says "not there" into storage.ErrNotExist. ENOTDIR: a segment of the key is a file.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return storage.ErrNotExist
	}
	return err
}
