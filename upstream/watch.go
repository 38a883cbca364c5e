package upstream

import (
	"context"
	"errors"
	"time"
)

// An exchange may take Options.Timeout, and a second more for each MiB it brings, so that a page of any size can be read. After the
// first byte each 30 s must bring 30 KiB. Only time spent waiting for the upstream counts, not what the reader does in between.
const (
	perMiB      = time.Second
	speedWindow = 30 * time.Second
	speedBytes  = 30 << 10
)

var (
	errTimeout = errors.New("timed out")
	errSlow    = errors.New("too slow")
)

// watch cancels an exchange that takes too long. It belongs to the goroutine that reads.
type watch struct {
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	started time.Time
	left    time.Duration // of the whole exchange
	window  time.Duration // left of the speed window; before the first byte it has not begun
	bytes   int64         // in the speed window
	flowing bool
}

// newWatch returns a watch and the context it cancels. stop must be called in the end.
func newWatch(ctx context.Context, limit time.Duration) (*watch, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel, left: limit, window: speedWindow}
	w.timer = time.AfterFunc(limit, func() { cancel(errTimeout) })
	w.timer.Stop()
	return w, ctx
}

// begin starts to wait for the upstream, end tells what came.
func (w *watch) begin() {
	w.started = time.Now()
	limit, why := w.left, errTimeout
	if w.flowing && w.window < limit {
		limit, why = w.window, errSlow
	}
	if limit <= 0 {
		w.cancel(why)
		return
	}
	cancel := w.cancel
	w.timer = time.AfterFunc(limit, func() { cancel(why) })
}

func (w *watch) end(n int) {
	w.timer.Stop()
	waited := time.Since(w.started)
	w.left -= waited - time.Duration(n)*perMiB/(1<<20)
	if w.flowing {
		w.window -= waited
	}
	if n == 0 {
		return
	}
	w.flowing = true
	if w.bytes += int64(n); w.bytes >= speedBytes {
		w.window, w.bytes = speedWindow, 0
	}
}

// stop releases the watch.
func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
