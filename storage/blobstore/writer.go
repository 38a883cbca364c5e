package blobstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"sluice/storage"
)

// writeID is the metadata that names the write that made an object. Azure takes no hyphen.
const writeID = "sluicewrite"

// Create opens a writer on a spool; see storage.Store.
func (s *Store) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	if !storage.ValidKey(key) {
		return nil, storage.ErrInvalidKey
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &writer{ctx: ctx, s: s, key: key, o: o}, nil
}

type writer struct {
	ctx context.Context // the writer lives as long as its Create's context, as the contract says
	s   *Store
	key string
	o   storage.CreateOptions

	spool spool
	done  bool
	info  storage.Info // the answer of Commit
	err   error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, storage.ErrClosed
	}
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.spool.Write(p)
}

func (w *writer) Commit() (storage.Info, error) {
	if !w.done {
		w.done = true
		w.info, w.err = w.commit()
		w.err = errors.Join(w.err, w.spool.drop())
	}
	return w.info, w.err
}

// What a store answers to a write: there is an object; another write is under way; we may not.
var (
	errForbidden = errors.New("forbidden")
	errRefused   = errors.New("the object exists")
	errConflict  = errors.New("another write of the object is under way")
)

// conflicts is how often a conditional write that met another one at the same moment is made again (409).
const conflicts = 5

func (w *writer) commit() (storage.Info, error) {
	if err := w.ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	id := rand.Text()
	err := w.s.put(w.ctx, w, id)
	for n := 1; err == errConflict && n < conflicts; n++ {
		select {
		case <-time.After(time.Duration(n) * 50 * time.Millisecond):
		case <-w.ctx.Done():
			return storage.Info{}, w.ctx.Err()
		}
		err = w.s.put(w.ctx, w, id)
	}
	if w.o.IfAbsent && exists(err) {
		err = w.refused(id)
	}
	if err != nil {
		return storage.Info{}, w.s.wrap(w.ctx, "put", err)
	}
	return storage.Info{Key: w.key, Size: w.spool.size, ModTime: time.Now()}, nil
}

// exists tells that a conditional write was refused.
func exists(err error) bool {
	code := gcerrors.Code(err)
	return err == errRefused || code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists
}

// refused finds out whether the object that is in the way is our own: the library repeats a request whose answer was lost.
func (w *writer) refused(id string) error {
	a, err := w.s.bucket.Attributes(w.ctx, w.key)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound: // deleted since
		return storage.ErrExist
	case err != nil:
		return err
	case a.Metadata[writeID] == id:
		return nil
	}
	return storage.ErrExist
}

// Abort drops the spool; see storage.Writer. Nothing was sent yet.
func (w *writer) Abort() error {
	if w.done {
		return nil
	}
	w.done, w.err = true, storage.ErrClosed
	return w.spool.drop()
}

// stream sends an object by the library's own writer, for clouds where that leaves nothing behind when it is broken off.
func stream(ctx context.Context, b *blob.Bucket, w *writer, id string, before func(as func(any) bool) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := b.NewWriter(ctx, w.key, &blob.WriterOptions{
		BufferSize: int(min(w.spool.size+1, spoolMemory)), ContentType: contentType(w.o), ContentEncoding: w.o.ContentEncoding,
		DisableContentTypeDetection: true, Metadata: map[string]string{writeID: id}, IfNotExist: w.o.IfAbsent, BeforeWrite: before,
	})
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, w.spool.body()); err != nil {
		cancel() // or Close would publish what was sent so far
		return errors.Join(err, ignore(out.Close()))
	}
	return out.Close()
}

// ignore takes the error of closing what has failed already.
func ignore(error) error { return nil }

func contentType(o storage.CreateOptions) string {
	if o.ContentType == "" {
		return "application/octet-stream"
	}
	return o.ContentType
}

// wrap says what was tried. Absence, existence and the caller's own end stay what they are.
func (s *Store) wrap(ctx context.Context, op string, err error) error {
	switch {
	case err == nil, errors.Is(err, storage.ErrExist), errors.Is(err, storage.ErrNotExist), err == io.ErrUnexpectedEOF:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case gcerrors.Code(err) == gcerrors.NotFound:
		return storage.ErrNotExist
	}
	return fmt.Errorf("%s %s: %w", s.at.Scheme, op, err)
}
