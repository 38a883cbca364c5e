package jobs

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAnyOrder lets workers, clients, crashes, a lossy Redis and reconcilers act in any order, beside a model of what storage would
// know, and then lets the work be finished.
func TestAnyOrder(t *testing.T) {
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			client := open(t)
			rapid.Check(t, func(rt *rapid.T) {
				b := newBench(t, client, Options{MaxRunning: rapid.IntRange(1, 2).Draw(rt, "running"), MaxQueued: 2})
				defer b.flush()
				w := &world{bench: b, rt: rt, exports: map[string]*jobModel{}}
				rt.Repeat(map[string]func(*rapid.T){
					"":                   w.check,
					"kick off":           w.kickOffOne,
					"claim":              w.claimOne,
					"claim more":         w.claimOne,
					"heartbeat":          w.heartbeat,
					"checkpoint":         w.checkpoint,
					"checkpoint again":   w.checkpointAgain,
					"end a piece":        w.end,
					"end another piece":  w.end,
					"release":            w.release,
					"a lease runs out":   w.runOut,
					"a worker dies":      w.crash,
					"cancel":             w.cancel,
					"lose a lease key":   w.loseLeaseKey,
					"flush and restore":  w.flushAndRestore,
					"repair what is fit": w.ensure,
				})
				w.drain()
			})
		})
	}
}

// jobModel is one export as storage would know it.
type jobModel struct {
	id, client string
	over       State // "" while it lives
	total      int64
	done       map[int64]bool
	stage      string // outstanding
	next       string
	counted    map[string]int64 // "item/seq" -> rows, of all checkpoints
	seq        map[string]int64 // next seq of an item
	tokens     map[string]int64 // highest token seen of an item, in this epoch
	epoch      string
	waves      int
	finishes   int // how often the stage finish was handed out for the first time
}

// hand is a lease that somebody has, and whether it may have been taken back.
type hand struct {
	Lease
	late bool // it ran out: whoever claims next may take it over
	gone bool // it certainly counts no more
}

type world struct {
	*bench
	rt      *rapid.T
	exports map[string]*jobModel
	hands   []*hand
	started map[string]bool // jobs with a claim since the last flush
}

func (w *world) ids() []string { return slices.Sorted(maps.Keys(w.exports)) }

func (w *world) living() (ids []string) {
	for _, id := range w.ids() {
		if w.exports[id].over == "" {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *world) ok(rt *rapid.T, err error) {
	rt.Helper()
	if err != nil {
		rt.Fatal(err)
	}
}

// current reports whether the lease is surely (yes) or perhaps (yes or late) the one that counts.
func (w *world) current(h *hand) bool {
	m := w.exports[h.Job]
	return !h.gone && m.over == "" && h.Epoch == m.epoch && h.Token == m.tokens[h.Item]
}

// outcome compares what an operation of a lease said with what the model knows, and reports whether it took effect.
func (w *world) outcome(rt *rapid.T, name string, h *hand, err error) bool {
	rt.Helper()
	switch lost := errors.Is(err, ErrLeaseLost); {
	case err != nil && !lost:
		rt.Fatalf("%s: %v", name, err)
	case lost && w.current(h) && !h.late:
		rt.Fatalf("%s: %+v was lost, but nobody else has it", name, h)
	case !lost && !w.current(h):
		rt.Fatalf("%s: %+v took effect, but it is stale", name, h)
	case lost:
		h.gone = true
	}
	return err == nil
}

func (w *world) hand(rt *rapid.T) *hand {
	if len(w.hands) == 0 {
		rt.Skip("no lease")
	}
	return rapid.SampledFrom(w.hands).Draw(rt, "lease")
}

func (w *world) kickOffOne(rt *rapid.T) {
	client := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "client")
	n := 0
	for _, id := range w.living() {
		if w.exports[id].client == client {
			n++
		}
	}
	id := NewID()
	err := w.Admit(rt.Context(), id, client)
	if limit := (*LimitError)(nil); errors.As(err, &limit) {
		if n < w.o.MaxRunning+w.o.MaxQueued {
			rt.Fatalf("refused with %d jobs", n)
		}
		return
	}
	w.ok(rt, err)
	if n >= w.o.MaxRunning+w.o.MaxQueued {
		rt.Fatalf("admitted with %d jobs", n)
	}
	w.ok(rt, w.Queue(rt.Context(), id))
	w.exports[id] = &jobModel{
		id: id, client: client, done: map[int64]bool{}, stage: "plan",
		counted: map[string]int64{}, seq: map[string]int64{}, tokens: map[string]int64{},
	}
}

func (w *world) claimOne(rt *rapid.T) {
	owner := rapid.SampledFrom([]string{"w1", "w2", "w3"}).Draw(rt, "owner")
	l, err := w.Claim(rt.Context(), owner)
	w.ok(rt, err)
	if l != nil {
		w.took(rt, *l)
	}
}

// took checks a new lease against all the others.
func (w *world) took(rt *rapid.T, l Lease) {
	rt.Helper()
	m := w.exports[l.Job]
	switch {
	case m == nil || m.client != l.Client:
		rt.Fatalf("claimed %+v: no such job of this client", l)
	case m.over != "":
		rt.Fatalf("claimed %+v of a job that is %s", l, m.over)
	case m.epoch != "" && m.epoch != l.Epoch:
		rt.Fatalf("claimed %+v, the epoch is %s", l, m.epoch)
	case l.Token <= m.tokens[l.Item]:
		rt.Fatalf("claimed %+v, token %d was given before", l, m.tokens[l.Item])
	}
	if n, isChunk := chunkNumber(l.Item); isChunk {
		if n >= m.total || m.done[n] || m.stage != "" {
			rt.Fatalf("claimed %+v: of %d chunks %v are done and stage %q is outstanding", l, m.total, m.done, m.stage)
		}
	} else {
		if l.Item != m.stage || int64(len(m.done)) != m.total {
			rt.Fatalf("claimed %+v: stage %q is outstanding, %d of %d chunks are done", l, m.stage, len(m.done), m.total)
		}
		if l.Item == "finish" && m.tokens[l.Item] == 0 {
			m.finishes++
		}
	}
	for _, h := range w.hands {
		if h.Job == l.Job && h.Item == l.Item && w.current(h) {
			if !h.late {
				rt.Fatalf("claimed %+v while %+v is live", l, h)
			}
			h.gone = true
		}
	}
	m.epoch, m.tokens[l.Item] = l.Epoch, l.Token
	if w.started == nil {
		w.started = map[string]bool{}
	}
	w.started[l.Job] = true
	w.hands = append(w.hands, &hand{Lease: l})
}
