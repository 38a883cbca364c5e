package jobs

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What may happen, in any order; see TestAnyOrder.

func (w *world) heartbeat(rt *rapid.T) {
	owner := rapid.SampledFrom([]string{"w1", "w2", "w3"}).Draw(rt, "owner")
	var ls []Lease
	var hs []*hand
	for _, h := range w.hands {
		if h.Owner == owner {
			ls, hs = append(ls, h.Lease), append(hs, h)
		}
	}
	lost, _, err := w.Heartbeat(rt.Context(), owner, ls)
	w.ok(rt, err)
	for _, h := range hs {
		if slices.Contains(lost, h.Lease) {
			w.outcome(rt, "heartbeat", h, ErrLeaseLost)
		} else if w.outcome(rt, "heartbeat", h, nil) {
			h.late = false
		}
	}
}

func (w *world) checkpoint(rt *rapid.T) {
	h := w.hand(rt)
	m, rows := w.exports[h.Job], rapid.Int64Range(0, 5).Draw(rt, "rows")
	seq := m.seq[h.Item]
	if w.outcome(rt, "checkpoint", h, w.count(rt, h, seq, rows)) {
		m.counted[fmt.Sprint(h.Item, "/", seq)] = rows
		m.seq[h.Item]++
	}
}

// checkpointAgain says what was said before: by the same worker, or by the next one. After a flush the numbers come from storage.
func (w *world) checkpointAgain(rt *rapid.T) {
	h := w.hand(rt)
	m := w.exports[h.Job]
	if seq := m.seq[h.Item] - 1; seq >= 0 && m.tokens["flushed"] == 0 {
		w.outcome(rt, "checkpoint again", h, w.count(rt, h, seq, m.counted[fmt.Sprint(h.Item, "/", seq)]))
	}
}

func (w *world) count(rt *rapid.T, h *hand, seq, rows int64) error {
	return w.Checkpoint(rt.Context(), h.Lease, seq, Counters{Rows: rows, Requests: 1}, map[string]int64{"Patient": rows})
}

func (w *world) end(rt *rapid.T) { w.endPiece(rt, w.hand(rt)) }

func (w *world) endPiece(rt *rapid.T, h *hand) {
	rt.Helper()
	m := w.exports[h.Job]
	if n, isChunk := chunkNumber(h.Item); isChunk {
		err := w.Complete(rt.Context(), h.Lease)
		if err == nil && m.done[n] && m.over == "" && h.Epoch == m.epoch {
			return // said again
		}
		if w.outcome(rt, "complete", h, err) {
			m.done[n], h.gone = true, true
			w.advance(m)
		}
		return
	}
	if h.Item == "finish" {
		state := rapid.SampledFrom([]State{Complete, Failed}).Draw(rt, "state")
		err := w.Finish(rt.Context(), h.Lease, state)
		if err == nil && m.over == state && h.Epoch == m.epoch && h.Token == m.tokens[h.Item] {
			return
		}
		if w.outcome(rt, "finish", h, err) {
			m.over, h.gone = state, true
		}
		return
	}
	chunks, next := rapid.Int64Range(0, 4).Draw(rt, "chunks"), "finish"
	if m.waves < 2 && rapid.Bool().Draw(rt, "wave") {
		next = fmt.Sprint("wave", m.waves+1)
	}
	err := w.Advance(rt.Context(), h.Lease, chunks, next)
	if err == nil && h.gone && m.stage != h.Item && h.Epoch == m.epoch && h.Token == m.tokens[h.Item] {
		return // said again
	}
	if w.outcome(rt, "advance", h, err) {
		h.gone = true
		m.total, m.stage, m.next = m.total+chunks, "", next
		if next != "finish" {
			m.waves++
		}
		w.advance(m)
	}
}

func (w *world) advance(m *jobModel) {
	if m.stage == "" && int64(len(m.done)) == m.total {
		m.stage, m.next = m.next, ""
	}
}

func (w *world) release(rt *rapid.T) {
	h := w.hand(rt)
	after := rapid.SampledFrom([]time.Duration{0, hour}).Draw(rt, "after")
	if w.outcome(rt, "release", h, w.Release(rt.Context(), h.Lease, after, "waits", rapid.Bool().Draw(rt, "panicked"))) {
		h.gone = true
	}
}

func (w *world) runOut(rt *rapid.T) {
	h := w.hand(rt)
	if w.current(h) {
		w.expire(h.Lease)
		h.late = true
	}
}

func (w *world) crash(rt *rapid.T) {
	owner := rapid.SampledFrom([]string{"w1", "w2", "w3"}).Draw(rt, "owner")
	for _, h := range w.hands {
		if h.Owner == owner && w.current(h) {
			w.expire(h.Lease)
			h.late = true
		}
	}
}

func (w *world) cancel(rt *rapid.T) {
	ids := w.living()
	if len(ids) == 0 {
		rt.Skip("no job")
	}
	id := rapid.SampledFrom(ids).Draw(rt, "job")
	w.ok(rt, w.Cancel(rt.Context(), id))
	w.exports[id].over = Cancelled
}

func (w *world) loseLeaseKey(rt *rapid.T) {
	ids := w.living()
	if len(ids) == 0 {
		rt.Skip("no job")
	}
	id := rapid.SampledFrom(ids).Draw(rt, "job")
	w.ok(rt, w.redis.Del(rt.Context(), w.key(id, "l")).Err())
	for _, h := range w.hands {
		if h.Job == id {
			h.late = true
			h.gone = true
		}
	}
	w.look()
}

func (w *world) flushAndRestore(rt *rapid.T) {
	w.flush()
	w.started = nil
	for _, id := range w.ids() {
		m := w.exports[id]
		if m.over != "" {
			delete(w.exports, id) // storage has its manifest or tombstone: nobody asks for it
			w.hands = slices.DeleteFunc(w.hands, func(h *hand) bool { return h.Job == id })
			continue
		}
		snap := Snapshot{ID: id, Client: m.client, Created: time.Now(), Total: m.total, Next: m.next,
			Done: slices.Collect(maps.Keys(m.done)), Counters: m.sums(), Types: map[string]int64{"Patient": m.sums().Rows}}
		if m.stage != "" {
			snap.Ready = []string{m.stage}
		}
		won := 0
		for range 2 {
			ok, err := w.Restore(rt.Context(), snap)
			w.ok(rt, err)
			if ok {
				won++
			}
		}
		if won != 1 {
			rt.Fatalf("%d of 2 restored", won)
		}
		m.epoch, m.tokens = "", map[string]int64{"flushed": 1}
	}
	for _, h := range w.hands {
		h.gone = true
	}
}

func (w *world) ensure(rt *rapid.T) {
	for _, id := range w.living() {
		w.ok(rt, w.Ensure(rt.Context(), id))
	}
}

func (m *jobModel) sums() Counters {
	var c Counters
	for _, rows := range m.counted {
		c.Rows += rows
		c.Requests++
	}
	return c
}

// check compares the records with the model, and counts what runs.
func (w *world) check(rt *rapid.T) {
	running := map[string]int{}
	for _, id := range w.ids() {
		m := w.exports[id]
		j, err := w.Get(rt.Context(), id)
		w.ok(rt, err)
		if d := cmp.Diff(m.sums(), j.Counters); d != "" {
			rt.Fatalf("counters: -want +got\n%s", d)
		}
		if j.Total != m.total || j.Done != int64(len(m.done)) || m.over != "" && j.State != m.over {
			rt.Fatalf("got %+v, want %d of %d chunks, state %q", j, len(m.done), m.total, m.over)
		}
		if m.over == "" && w.started[id] {
			running[m.client]++
		}
		if m.finishes > 1 && m.tokens["flushed"] == 0 {
			rt.Fatalf("finish was handed out anew %d times", m.finishes)
		}
	}
	for client, n := range running {
		if n > w.o.MaxRunning {
			rt.Fatalf("%d jobs of %s run", n, client)
		}
	}
}

// drain lets everything be finished: no work may be stuck.
func (w *world) drain() {
	for range 1000 {
		for _, h := range w.hands {
			if w.current(h) {
				w.expire(h.Lease)
				h.late = true
			}
		}
		ids := w.living()
		if len(ids) == 0 {
			return
		}
		for _, id := range ids {
			w.hurry(id)
		}
		l, err := w.Claim(w.rt.Context(), "w1")
		w.ok(w.rt, err)
		if l == nil {
			w.rt.Fatalf("%d jobs live and there is nothing to claim", len(ids))
		}
		w.took(w.rt, *l)
		w.endPiece(w.rt, w.hands[len(w.hands)-1])
		w.check(w.rt)
	}
	w.rt.Fatal("no end")
}
