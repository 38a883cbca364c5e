package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errInUse = errors.New("another process has it open")

// ErrClosed is returned by Write and Ready after Close.
var ErrClosed = errors.New("audit log is closed")

// Log writes the events of one process. One process at a time may have a directory open. All methods may be called by many goroutines at once.
type Log struct {
	dir  string
	lock *dirLock

	mu     sync.Mutex // guards queue, closed and failed
	queue  []*waiting
	closed bool
	failed error // why the last write failed; nil when the log can be written

	// turn is held by whoever writes the queue to disk; it guards what follows.
	turn chan struct{}
	seg  *segment
	head Head
	buf  bytes.Buffer
}

// waiting is an event on its way to disk. done gets exactly one result, unless the event was taken out of the queue again.
type waiting struct {
	event Event
	done  chan error
}

// Open opens the log in dir, which it makes if need be, and notes that in the log. A line that a crash cut off is removed and noted by an event:
// nobody was ever told that it was written. Damage of any other kind before the end is left for Verify to name; if the last whole line cannot
// be read, Open refuses, for the chain could not go on.
func Open(dir string) (*Log, error) {
	l := &Log{dir: dir, turn: make(chan struct{}, 1)}
	torn, err := l.open()
	if err != nil {
		return nil, fmt.Errorf("audit log %s: %w", dir, err)
	}
	ctx := context.Background()
	if torn != nil {
		err = l.Write(ctx, torn.event())
	}
	if err == nil {
		err = l.Write(ctx, Event{Type: LogOpened, Outcome: OK})
	}
	if err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// Write adds the event and returns when it is on disk. After an error the event is not in the log, with one exception: when ctx ended while it
// was being written it may be there. What must be recorded although the caller's own context has ended needs a context without that end.
func (l *Log) Write(ctx context.Context, e Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write audit event: %w", err)
	}
	w := &waiting{event: e, done: make(chan error, 1)}
	if e.Time.IsZero() {
		w.event.Time = time.Now()
	}
	if err := l.enqueue(w); err != nil {
		return err
	}
	select {
	case err := <-w.done: // another writer took it along
		return err
	case <-ctx.Done():
		l.dequeue(w)
		return fmt.Errorf("write audit event: %w", ctx.Err())
	case l.turn <- struct{}{}:
		l.flush()
		<-l.turn
		return <-w.done
	}
}

// Ready returns nil if the log can be written. After a failed write it says why, until a write succeeds; it makes such a write itself.
func (l *Log) Ready() error {
	l.mu.Lock()
	failed, closed := l.failed, l.closed
	l.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if failed == nil {
		return nil
	}
	return l.Write(context.Background(), Event{Type: LogWritable, Outcome: OK, Detail: "writing works again after a failure"})
}

// Head returns where the log ends now.
func (l *Log) Head() Head {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	return l.head
}

// Close notes the end in the log and frees the directory. Events that are being written are finished first. A second call does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return nil
	}
	err := l.Write(context.Background(), Event{Type: LogClosed, Outcome: OK})
	if errors.Is(err, ErrClosed) {
		return nil
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.turn <- struct{}{}
	l.flush() // whoever came between
	l.release()
	<-l.turn
	return err
}

func (l *Log) enqueue(w *waiting) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.queue = append(l.queue, w)
	return nil
}

// dequeue takes w out again if nobody has begun to write it.
func (l *Log) dequeue(w *waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, q := range l.queue {
		if q == w {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			return
		}
	}
}

// flush writes all that is queued, with one write and one fsync, and tells everybody. The caller has the turn.
func (l *Log) flush() {
	l.mu.Lock()
	batch := l.queue
	l.queue = nil
	l.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	err := l.commit(batch)
	l.mu.Lock()
	l.failed = err
	l.mu.Unlock()
	for _, w := range batch {
		w.done <- err
	}
}

// commit makes the lines of the batch and puts them on disk. On an error neither the file (from its next use on), nor the chain has moved.
func (l *Log) commit(batch []*waiting) error {
	head := l.head
	l.buf.Reset()
	for _, w := range batch {
		line := appendRecord(&l.buf, head, w.event)
		head = Head{Seq: head.Seq + 1, Hash: hashLine(line)}
	}
	if err := l.seg.append(l.buf.Bytes(), time.Now()); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	l.head = head
	return nil
}

// release gives back the file and the directory.
func (l *Log) release() {
	if l.seg != nil {
		l.seg.close()
	}
	if l.lock != nil {
		l.lock.close()
	}
}
