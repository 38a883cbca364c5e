package storage

import (
	"context"
	"fmt"
	"io"
)

// Put writes a whole object. On an error other than ErrExist the object may or may not exist.
func Put(ctx context.Context, s Store, key string, body []byte, o CreateOptions) error {
	w, err := s.Create(ctx, key, o)
	if err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	defer w.Abort()
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	if _, err := w.Commit(); err != nil {
		return fmt.Errorf("commit %s: %w", key, err)
	}
	return nil
}

// PutIfAbsent writes a whole object so that exactly one of many callers gets nil; the others get ErrExist.
func PutIfAbsent(ctx context.Context, s Store, key string, body []byte, contentType string) error {
	return Put(ctx, s, key, body, CreateOptions{IfAbsent: true, ContentType: contentType})
}

// ReadAll returns a whole object, or ErrTooLarge when it is larger than limit: then no more than limit+1 bytes were read.
func ReadAll(ctx context.Context, s Store, key string, limit int64) ([]byte, error) {
	r, err := s.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("read %s: %w", key, ErrTooLarge)
	}
	return body, nil
}
