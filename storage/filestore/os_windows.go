package filestore

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock holds f until it is closed. ErrLocked: another open file has it.
func lock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
		new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// syncDir does nothing: Windows cannot sync a directory; NTFS writes its journal by itself.
func syncDir(string) error { return nil }
