package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"sluice/storage"
)

// Create opens a writer on a temp file; see storage.Store. The content type and encoding are not kept: a file has none.
func (s *Store) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	if !validKey(key) {
		return nil, storage.ErrInvalidKey
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Join(s.root, tempDir), "put-*") // mode 0600
	if err != nil {
		return nil, err
	}
	return &writer{ctx: ctx, s: s, key: key, ifAbsent: o.IfAbsent, f: f}, nil
}

type writer struct {
	ctx      context.Context // the writer lives as long as its Create's context, as the contract says
	s        *Store
	key      string
	ifAbsent bool
	f        *os.File

	done bool
	info storage.Info // the answer of Commit
	err  error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, storage.ErrClosed
	}
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.f.Write(p)
}

func (w *writer) Commit() (storage.Info, error) {
	if !w.done {
		w.info, w.err = w.commit()
		w.done = true
	}
	return w.info, w.err
}

// A crash on any line up to place leaves a temp file, which the next New removes when it is old; after it, the whole object.
func (w *writer) commit() (storage.Info, error) {
	defer w.discard()
	if err := w.ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	if err := w.f.Sync(); err != nil {
		return storage.Info{}, err
	}
	fi, err := w.f.Stat()
	if err != nil {
		return storage.Info{}, err
	}
	if err := w.f.Close(); err != nil {
		return storage.Info{}, err
	}
	final := w.s.path(w.key)
	dir := filepath.Dir(final)
	err = w.s.publish(dir, func() error {
		if w.ifAbsent {
			return link(w.f.Name(), final)
		}
		return os.Rename(w.f.Name(), final)
	})
	lost := w.ifAbsent && errors.Is(err, fs.ErrExist)
	if err != nil && !lost {
		return storage.Info{}, err
	}
	// The loser syncs as well: it will act on the winner's object, and the winner may have died before its own sync.
	if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storage.Info{}, err
	}
	if lost {
		return storage.Info{}, storage.ErrExist
	}
	return info(w.key, fi), nil
}

// Abort removes the temp file; see storage.Writer.
func (w *writer) Abort() error {
	if w.done {
		return nil
	}
	w.done, w.err = true, storage.ErrClosed
	return w.discard()
}

// discard removes the temp file, if it is still there. After a link the temp file is a second name of the object.
func (w *writer) discard() error {
	w.f.Close()
	if err := os.Remove(w.f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// link gives the temp file its final name, or returns fs.ErrExist. Over NFS an answer can be lost and the repeated call finds our own
// link: then both names are the same file.
func link(temp, final string) error {
	err := os.Link(temp, final)
	if err == nil {
		return nil
	}
	switch {
	case errors.Is(err, fs.ErrExist) && same(temp, final):
		return nil
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("the storage directory needs a file system with hard links: %w", err)
	}
	return err
}

func same(a, b string) bool {
	ai, err1 := os.Lstat(a)
	bi, err2 := os.Lstat(b)
	return err1 == nil && err2 == nil && os.SameFile(ai, bi)
}
