package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/storage"
)

// settle is how long the outcome of a write is looked for after the caller's context has ended.
const settle = 10 * time.Second

// maxShared bounds what LoadOrCreate reads.
const maxShared = 1 << 20

// WriteOnce writes a record so that exactly one of many writers gets nil; the others get storage.ErrExist and read the winner's.
//
// A write whose outcome nobody knows (the deadline passed, the connection broke) is settled by reading the key back: our own bytes mean
// that we won, so a record should hold something of its writer, such as an attempt id. Any other error says that the record was not
// there when we looked; a late write may still arrive, so whoever tries again must send the same bytes or read the winner's.
func WriteOnce(ctx context.Context, s storage.Store, key string, rec any) error {
	if r, ok := rec.(record); ok && !known(r.formatNumber()) {
		return fmt.Errorf("write %s: %w %d", key, ErrFormat, r.formatNumber())
	}
	body, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	err = storage.PutIfAbsent(ctx, s, key, body, "application/json")
	if err == nil || errors.Is(err, storage.ErrExist) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	there, readErr := storage.ReadAll(ctx, s, key, int64(len(body)))
	switch {
	case readErr == nil && bytes.Equal(there, body):
		return nil
	case readErr == nil, errors.Is(readErr, storage.ErrTooLarge):
		return fmt.Errorf("write %s: %w", key, storage.ErrExist)
	}
	return err
}

// LoadOrCreate returns the object under key, or makes it once for all replicas: whoever loses the race gets the winner's.
// It serves what is random and shared, such as the key that signs our access tokens. The function may be called in vain.
func LoadOrCreate(ctx context.Context, s storage.Store, key string, create func() ([]byte, error)) ([]byte, error) {
	body, err := storage.ReadAll(ctx, s, key, maxShared)
	if !errors.Is(err, storage.ErrNotExist) {
		return body, err
	}
	body, err = create()
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", key, err)
	}
	err = storage.PutIfAbsent(ctx, s, key, body, "application/octet-stream")
	if err == nil {
		return body, nil
	}
	// The winner's, or our own after a lost answer: either way what all others use.
	there, readErr := storage.ReadAll(ctx, s, key, maxShared)
	if readErr != nil && !errors.Is(err, storage.ErrExist) {
		return nil, err
	}
	return there, readErr
}
