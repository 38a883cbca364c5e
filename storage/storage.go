package storage

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

var (
	// ErrNotExist says that there is no object under the key.
	ErrNotExist = errors.New("storage: object does not exist")
	// ErrExist says that an IfAbsent write lost: another object is under the key, durable, and stays.
	ErrExist = errors.New("storage: object exists already")
	// ErrInvalidKey says that a key or prefix breaks the rules of ValidKey.
	ErrInvalidKey = errors.New("storage: invalid key")
	// ErrTooLarge says that an object is larger than the caller's limit.
	ErrTooLarge = errors.New("storage: object is larger than allowed")
	// ErrClosed says that a writer was used after Commit or Abort.
	ErrClosed = errors.New("storage: writer is closed")
)

// Info describes one object.
type Info struct {
	Key     string
	Size    int64
	ModTime time.Time
}

// CreateOptions say how an object is made.
type CreateOptions struct {
	// IfAbsent makes exactly one of many writers win, also over processes: all others get ErrExist from Commit.
	// Without it the last Commit replaces what was there.
	IfAbsent bool
	// ContentType and ContentEncoding are stored where the backend can.
	ContentType, ContentEncoding string
}

// Store keeps immutable objects under keys (see ValidKey). All methods may be called from many goroutines at once.
//
// A key that is a whole-segment prefix of another key ("a" and "a/b") must not be used: a file system cannot hold both.
type Store interface {
	// Create opens a writer. Nothing is visible under key before its Commit. The context governs the writer's whole life: once it
	// has ended, Write and Commit fail, and Abort still cleans up.
	Create(ctx context.Context, key string, o CreateOptions) (Writer, error)

	// Open reads length bytes from offset, or to the end when length < 0. Absent: ErrNotExist. An object that ends before
	// offset+length, or before offset, gives io.ErrUnexpectedEOF (from Open or from Read), never a clean EOF.
	// The context governs the reader until it is closed.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Stat describes the object, or returns ErrNotExist.
	Stat(ctx context.Context, key string) (Info, error)

	// List gives every object whose key begins with prefix, keys ascending as whole strings ("a.b" before "a/b"). The prefix may
	// end inside a segment. Objects may be deleted while listing; objects that come or go meanwhile may or may not be given.
	// An error is the last thing the sequence gives.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Dirs gives the next path segments below prefix that have objects below them ("jobs/" gives "abc", "def"), each once, in the
	// order in which List gives their objects. The prefix is empty or ends with "/".
	Dirs(ctx context.Context, prefix string) iter.Seq2[string, error]

	// Delete removes the object. That there is none is no error.
	Delete(ctx context.Context, key string) error
}

// Writer makes one object. It belongs to one goroutine. One of Commit and Abort must be called; `defer w.Abort()` is always right.
type Writer interface {
	io.Writer

	// Commit makes the object visible and durable under its key.
	// Before Commit nothing is visible; after Abort, or a crash, nothing ever is.
	// Commit and Abort may each be called after the other; the first call wins, and a second Commit repeats the first one's answer.
	// ErrExist: an IfAbsent write lost, and the winner's object is durable. Any other error leaves open whether the object exists:
	// the caller finds out by reading it.
	Commit() (Info, error)

	// Abort drops what was written. It also works when the context has ended.
	Abort() error
}
