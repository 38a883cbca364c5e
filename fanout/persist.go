package fanout

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"sluice/export"
	"sluice/storage"
)

// storeTries is how often a write is tried before the work is put back: what was read for it is worth some patience.
const storeTries = 6

// persist tries a write that may be repeated until the store takes it.
func (e *Engine) persist(ctx context.Context, write func() error) error {
	for try := 0; ; try++ {
		err := write()
		if trouble := (*storage.Error)(nil); !errors.As(err, &trouble) || try+1 == storeTries {
			return err
		}
		pause := 100 * time.Millisecond << try
		sleep(ctx, pause/2+rand.N(pause/2))
		if ctx.Err() != nil {
			return err
		}
	}
}

// writeOnce creates a record, or returns storage.ErrExist when another writer was first.
func (e *Engine) writeOnce(ctx context.Context, key string, rec any) error {
	return e.persist(ctx, func() error { return export.WriteOnce(ctx, e.Store, key, rec) })
}
