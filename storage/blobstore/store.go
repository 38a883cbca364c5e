package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"gocloud.dev/blob"

	"sluice/storage"
)

// Store is a prefix of a bucket. It is safe for concurrent use.
type Store struct {
	at     Location
	bucket *blob.Bucket // keys are relative to the prefix
	put    func(ctx context.Context, w *writer, id string) error
	read   *blob.ReaderOptions

	remove  func(ctx context.Context, key string) error
	address func(key string) string
}

var _ storage.Store = (*Store)(nil)

// cloud is what an opener makes of a location.
type cloud struct {
	bucket *blob.Bucket                                          // the whole one
	put    func(ctx context.Context, w *writer, id string) error // nil: by the library's writer
	before func(as func(any) bool) error                         // of that writer
	read   *blob.ReaderOptions
	remove func(ctx context.Context, key string) error // of the whole key; nil: by the library
	// address is the URL of an object for one who has no credentials, the key being that in the whole bucket.
	address func(key string) string
}

// openers are the clouds that are built in, by scheme.
var openers = map[string]func(ctx context.Context, at Location) (cloud, error){}

// Open returns the store at a location. It does not talk to it: see Probe.
func Open(ctx context.Context, at Location) (*Store, error) {
	open, ok := openers[at.Scheme]
	if !ok {
		return nil, fmt.Errorf("%s is not built into this program", at.Scheme)
	}
	c, err := open(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.Scheme, err)
	}
	s := &Store{at: at, bucket: c.bucket, put: c.put, read: c.read, remove: c.remove, address: c.address}
	if at.Prefix != "" {
		s.bucket = blob.PrefixedBucket(c.bucket, at.Prefix)
	}
	if s.put == nil {
		s.put = func(ctx context.Context, w *writer, id string) error { return stream(ctx, s.bucket, w, id, c.before) }
	}
	return s, nil
}

// Close frees the connections.
func (s *Store) Close() error { return s.bucket.Close() }

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	if !storage.ValidKey(key) {
		return storage.Info{}, storage.ErrInvalidKey
	}
	if err := ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	a, err := s.bucket.Attributes(ctx, key)
	if err != nil {
		return storage.Info{}, s.wrap(ctx, "stat", err)
	}
	return storage.Info{Key: key, Size: a.Size, ModTime: a.ModTime}, nil
}

// Delete removes an object; see storage.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if !storage.ValidKey(key) {
		return storage.ErrInvalidKey
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	if s.remove != nil {
		err = s.remove(ctx, s.at.Prefix+key)
	} else {
		err = s.bucket.Delete(ctx, key)
	}
	if err = s.wrap(ctx, "delete", err); errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	return err
}

// List gives the objects below a prefix; see storage.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if !storage.ValidPrefix(prefix) {
			yield(storage.Info{}, storage.ErrInvalidKey)
			return
		}
		for o, err := range s.objects(ctx, &blob.ListOptions{Prefix: prefix}) {
			if err != nil {
				yield(storage.Info{}, err)
				return
			}
			if !yield(storage.Info{Key: o.Key, Size: o.Size, ModTime: o.ModTime}, nil) {
				return
			}
		}
	}
}

// Dirs gives the next path segments below a prefix; see storage.Store.
func (s *Store) Dirs(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if !storage.ValidDir(prefix) {
			yield("", storage.ErrInvalidKey)
			return
		}
		for o, err := range s.objects(ctx, &blob.ListOptions{Prefix: prefix, Delimiter: "/"}) {
			if err != nil {
				yield("", err)
				return
			}
			if o.IsDir && !yield(strings.TrimSuffix(o.Key[len(prefix):], "/"), nil) {
				return
			}
		}
	}
}

// objects gives the entries of a listing.
func (s *Store) objects(ctx context.Context, o *blob.ListOptions) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		for it := s.bucket.List(o); ; {
			entry, err := it.Next(ctx)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, s.wrap(ctx, "list", err))
				return
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}

// plain makes a transport that does not inflate: objects carry a content encoding, and their stored bytes are what counts.
func plain(t *http.Transport) { t.DisableCompression, t.MaxIdleConnsPerHost = true, 64 }
