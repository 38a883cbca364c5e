package filestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrLocked says that another process has the store.
var ErrLocked = errors.New("filestore: another process uses this directory")

// Lock takes the store for this process, or returns ErrLocked at once. It is needed with embedded state, where two processes would
// not know of each other. The lock ends with unlock or with the process, however that dies; the file .lock stays.
func (s *Store) Lock() (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(s.root, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock storage directory: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock storage directory: %w", err)
	}
	return f.Close, nil
}
