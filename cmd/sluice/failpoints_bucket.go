//go:build failpoints

package main

import (
	"context"
	"os"

	"sluice/storage"
)

// bucket makes a store forget conditions when SLUICE_NO_CONDITIONS is set: every writer wins, as with a store that has no
// create-if-absent (E9).
func (f *failPoints) bucket(s storage.Store) storage.Store {
	if os.Getenv("SLUICE_NO_CONDITIONS") == "" {
		return s
	}
	return unconditional{s}
}

type unconditional struct{ storage.Store }

func (u unconditional) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	o.IfAbsent = false
	return u.Store.Create(ctx, key, o)
}
