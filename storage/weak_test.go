package storage_test

import (
	"context"
	"sync"
	"testing"

	"sluice/storage"
	"sluice/storage/memstore"
)

// forgetful is a store that lets every writer win.
type forgetful struct{ storage.Store }

func (f forgetful) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	o.IfAbsent = false
	return f.Store.Create(ctx, key, o)
}

// chooser remembers who was first for a key.
type chooser struct {
	mu    sync.Mutex
	first map[string]string
}

func (c *chooser) choose(_ context.Context, key, id string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first = map[string]string{}
	}
	if c.first[key] == "" {
		c.first[key] = id
	}
	return c.first[key] == id, nil
}

// E9: a store without create-if-absent is found out, and is one again with somebody who chooses.
func TestE9_StoreWithoutCreateIfAbsent(t *testing.T) {
	for _, tc := range []struct {
		name  string
		store storage.Store
		holds bool
	}{
		{"with", memstore.New(), true},
		{"without", forgetful{memstore.New()}, false},
		{"without, but with a chooser", storage.Weak(forgetful{memstore.New()}, (&chooser{}).choose), true},
	} {
		if holds, err := storage.ProbeIfAbsent(t.Context(), tc.store); err != nil || holds != tc.holds {
			t.Errorf("%s: holds %t, %v; want %t", tc.name, holds, err, tc.holds)
		}
		for info := range tc.store.List(t.Context(), "") {
			t.Errorf("%s: the probe left %s", tc.name, info.Key)
		}
	}
}
