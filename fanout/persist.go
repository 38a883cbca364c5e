package fanout

import (
	"context"

	"sluice/export"
	"sluice/storage"
)

// writeOnce creates a record, or returns storage.ErrExist when another writer was first.
func (e *Engine) writeOnce(ctx context.Context, key string, rec any) error {
	return storage.Retry(ctx, func() error { return export.WriteOnce(ctx, e.Store, key, rec) })
}
