package fanout

import (
	"context"
	"errors"
	"time"

	"sluice/export"
	"sluice/storage"
)

// errStopped stops work because the operator has stopped all exports. What is read is committed, and waits.
var errStopped = &putBack{after: time.Second, reason: "stopped by the operator"}

// watchStop looks every second; apart from the heartbeats, which must not wait for the store.
func (e *Engine) watchStop(ctx context.Context) {
	for ctx.Err() == nil {
		e.look(ctx)
		sleep(ctx, e.Heartbeat)
	}
}

// look asks the store whether all exports are to stand still. While the store does not answer all stays as it is.
func (e *Engine) look(ctx context.Context) {
	_, err := e.Store.Stat(ctx, export.StopKey)
	switch {
	case err == nil:
		if !e.stopped.Swap(true) {
			e.Log.WarnContext(ctx, "all exports stopped by the operator")
		}
		e.held.stopAll(errStopped)
	case errors.Is(err, storage.ErrNotExist):
		if e.stopped.Swap(false) {
			e.Log.InfoContext(ctx, "exports go on")
		}
	}
}
