package fanout_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"

	"sluice/bulkdata"
	"sluice/export"
	"sluice/fanout"

	"sluice/jobs"
	"sluice/storage"
	"sluice/storage/memstore"
	"sluice/test/fhirserver"
	"sluice/upstream"
)

var (
	simSeeds = flag.Uint64("sim.seeds", 15, "how many seeds to simulate")
	simFrom  = flag.Uint64("sim.from", 1, "the first seed; a failing one comes back with -sim.from N -sim.seeds 1")
)

// TestE30_Simulator lets replicas work in virtual time while they are killed and frozen, Redis is lost, taken away and set back, the store
// burns and the upstream stumbles; then the world heals, and every export must end with exactly its rows.
func TestE30_Simulator(t *testing.T) {
	w := newSimWorld(t)
	var sums simSums
	for seed := *simFrom; seed < *simFrom+*simSeeds; seed++ {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { w.run(t, seed, nil, &sums) }) {
			break
		}
	}
	t.Logf("%d seeds: %d exports, %d cancelled, %d kills, %d freezes, %d flushes, %d outages, %d times set back, %d storage fires",
		*simSeeds, sums.exports, sums.cancelled, sums.kills, sums.freezes, sums.flushes, sums.outages, sums.setBack, sums.fires)
	if *simSeeds >= 40 && (sums.kills == 0 || sums.freezes == 0 || sums.flushes == 0 || sums.outages == 0 || sums.setBack == 0 || sums.fires == 0 || sums.cancelled == 0) {
		t.Errorf("some kind of trouble never happened: %+v", sums)
	}
}

type simSums struct{ exports, cancelled, kills, freezes, flushes, outages, setBack, fires int }

// simWorld is what all seeds share: the data, and the rows of undisturbed exports.
type simWorld struct {
	fake    *fhirserver.Server
	trouble atomic.Pointer[fhirserver.Faults]
	types   []string
	want    map[bulkdata.Level]map[string]int
}

func newSimWorld(t *testing.T) *simWorld {
	w := &simWorld{want: map[bulkdata.Level]map[string]int{}, types: []string{"Patient", "Condition", "Account", "Appointment", "Provenance", "Practitioner", "CarePlan", "Procedure", "MedicationRequest", "Immunization"}}
	w.fake = newFake(t, fhirserver.Options{Patients: 3, Extras: true, DefaultCount: 3, MaxCount: 3, LogSize: 1, Faults: func(r *fhirserver.Request) *fhirserver.Fault {
		if f := w.trouble.Load(); f != nil {
			return (*f)(r)
		}
		return nil
	}})
	for _, level := range []bulkdata.Level{bulkdata.Patient, bulkdata.System} {
		synctest.Test(t, func(t *testing.T) {
			s := w.begin(t, 0)
			defer s.end()
			n := s.newNode()
			defer n.stop()
			w.want[level] = s.rows(s.finished(s.kickOff(n, level), time.Hour))
		})
		if len(w.want[level]) < 40 {
			t.Fatalf("the world has %d rows", len(w.want[level]))
		}
	}
	return w
}

// sim is one simulated run.
type sim struct {
	*rig
	*simWorld
	weather *weather
	server  *miniredis.Miniredis
	nodes   []*node
	change  func(*fanout.Options)
	end     func()
}

func (w *simWorld) begin(t *testing.T, seed uint64) *sim {
	time.Sleep(time.Until(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
	s := &sim{simWorld: w, rig: &rig{t: t, fake: w.fake, store: memstore.New(), log: &logLines{}}, weather: &weather{random: rand.New(rand.NewPCG(seed, 30))}}
	s.rig.types = w.types
	stop := make(chan struct{})
	server, aging := startServer(stop)
	s.server = server
	s.end = func() {
		close(stop)
		aging.Wait()
		server.Close()
	}
	return s
}

// kickOff accepts an export by way of one node, which is well.
func (s *sim) kickOff(n *node, level bulkdata.Level) string {
	s.rig.jobs = n.jobs
	s.rig.connect(upstream.Options{})
	return s.rig.kickOff(level, "")
}

func (s *sim) rows(m *export.Manifest) map[string]int {
	s.t.Helper()
	if m.State != string(jobs.Complete) {
		s.t.Fatalf("the export ended %s: %+v", m.State, m.Outcome)
	}
	return s.rig.lines(m.Output)
}

// run lives one seed.
func (w *simWorld) run(t *testing.T, seed uint64, change func(*fanout.Options), sums *simSums) {
	t.Helper()
	defer w.trouble.Store(nil)
	synctest.Test(t, func(t *testing.T) {
		s := w.begin(t, seed)
		s.change = change
		defer s.end()
		defer func() {
			for _, n := range s.nodes {
				n.stop()
			}
			if t.Failed() {
				t.Logf("seed %d\n%s", seed, &s.log.b)
			}
		}()
		for range 1 + s.weather.dice(3) {
			s.nodes = append(s.nodes, s.newNode())
		}
		levels := []bulkdata.Level{bulkdata.Patient, bulkdata.Patient, bulkdata.System}
		exports := map[string]bulkdata.Level{}
		for range 1 + s.weather.dice(2) {
			level := levels[s.weather.dice(3)]
			exports[s.kickOff(s.nodes[0], level)] = level
		}
		s.stumble()
		cancelled := s.chaos(exports, sums)
		s.heal()
		s.verdict(exports, cancelled)
		sums.exports += len(exports)
		sums.cancelled += len(cancelled)
	})
}

// stumble makes the upstream slow and faulty, in ways that pass.
func (s *sim) stumble() {
	var mu sync.Mutex
	failed := map[string]int{}
	faults := fhirserver.Faults(func(r *fhirserver.Request) *fhirserver.Fault {
		f := &fhirserver.Fault{Delay: time.Duration(s.weather.dice(400)) * time.Millisecond}
		mu.Lock()
		defer mu.Unlock()
		key := r.Type + "/" + r.Patient()
		if failed[key] >= 2 || s.weather.dice(100) >= 15 {
			return f
		}
		failed[key]++
		switch s.weather.dice(4) {
		case 0:
			f.Status = http.StatusInternalServerError
		case 1:
			f.Drop = true
		case 2:
			f.CutAfter = 0.6
		case 3:
			if r.Page < 2 {
				f.Overlap = 1
			} else {
				f.Status = http.StatusGone
			}
		}
		return f
	})
	s.trouble.Store(&faults)
}

// chaos does harm for a while and returns the exports that were cancelled meanwhile.
func (s *sim) chaos(exports map[string]bulkdata.Level, sums *simSums) map[string]bool {
	cancelled := map[string]bool{}
	var snapshot func()
	for range 4 + s.weather.dice(10) {
		time.Sleep(time.Duration(200+s.weather.dice(6000)) * time.Millisecond)
		i := s.weather.dice(len(s.nodes))
		switch n := s.nodes[i]; s.weather.dice(9) {
		case 0, 1:
			sums.kills++
			n.kill()
			time.Sleep(time.Duration(s.weather.dice(3000)) * time.Millisecond)
			s.nodes[i] = s.newNode()
		case 2:
			sums.freezes++
			n.frozen.Store(time.Now().Add(time.Duration(1+s.weather.dice(40)) * time.Second).UnixNano())
		case 3:
			sums.flushes++
			s.server.FlushAll()
		case 4:
			sums.outages++
			s.weather.redisAway.Store(true)
			time.Sleep(time.Duration(1+s.weather.dice(25)) * time.Second)
			s.weather.redisAway.Store(false)
		case 5:
			if snapshot != nil {
				sums.setBack++
				snapshot()
			}
			snapshot = s.snapshot()
		case 6:
			sums.fires++
			s.weather.storeFire.Store(int64(10 + s.weather.dice(30)))
			time.Sleep(time.Duration(1+s.weather.dice(15)) * time.Second)
			s.weather.storeFire.Store(0)
		case 7:
			n.stop() // a rolling restart
			s.nodes[i] = s.newNode()
		case 8:
			for id := range exports {
				if len(cancelled) == 0 && s.weather.dice(3) == 0 {
					cancelled[id] = true
					s.cancel(id)
				}
				break
			}
		}
	}
	return cancelled
}

// cancel buries an export as the gateway does: first the tombstone, then what Redis knows.
func (s *sim) cancel(id string) {
	err := storage.Put(s.t.Context(), s.store, export.TombstoneKey(id), []byte("{}"), storage.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, n := range s.nodes {
		if n.jobs.Cancel(s.t.Context(), id) == nil {
			break
		}
	}
	s.nodes[0].engine.Cancelled(id)
}

// heal ends all trouble.
func (s *sim) heal() {
	s.trouble.Store(nil)
	for _, n := range s.nodes {
		n.frozen.Store(0)
	}
}

// verdict waits for the end of all exports and looks at what is there.
func (s *sim) verdict(exports map[string]bulkdata.Level, cancelled map[string]bool) {
	manifests := map[string]*export.Manifest{}
	for id := range exports {
		if !cancelled[id] {
			manifests[id] = s.finished(id, 30*time.Minute)
		}
	}
	time.Sleep(150 * time.Second) // late writers, sweeps, the end of tombstones
	for id, level := range exports {
		if cancelled[id] {
			for info, err := range s.store.List(s.t.Context(), export.Prefix(id)) {
				if err != nil {
					s.t.Fatal(err)
				}
				s.t.Errorf("cancelled, and %s is left", info.Key)
			}
			continue
		}
		m := s.finished(id, time.Second)
		if m.Attempt != manifests[id].Attempt {
			s.t.Errorf("the manifest of %s changed", id)
		}
		if d := difference(s.rows(m), s.simWorld.want[level]); d != "" {
			s.t.Errorf("%s export: %s", level, d)
		}
		for _, issue := range s.issues(m) {
			if !strings.HasPrefix(issue, "not-found") {
				s.t.Errorf("error line %q", issue)
			}
		}
		if left := s.orphans(id, m); len(left) > 0 {
			s.t.Errorf("%d objects that nothing names, such as %s", len(left), left[0])
		}
		if j, err := s.nodes[0].jobs.Get(context.Background(), id); err == nil && j.State != jobs.Complete {
			s.t.Errorf("Redis says %s of a finished export: %+v", j.State, j)
		} else if err != nil && !errors.Is(err, jobs.ErrUnknown) {
			s.t.Error(err)
		}
	}
}

// snapshot keeps what Redis holds now; the function it returns sets it back, as a failover to a stale replica does.
func (s *sim) snapshot() (setBack func()) {
	s.weather.redis.Lock()
	defer s.weather.redis.Unlock()
	type zset = map[string]float64
	strs, hashes, zsets := map[string]string{}, map[string]map[string]string{}, map[string]zset{}
	for _, key := range s.server.Keys() {
		switch s.server.Type(key) {
		case "string":
			strs[key], _ = s.server.Get(key)
		case "hash":
			hashes[key] = map[string]string{}
			fields, _ := s.server.HKeys(key)
			for _, f := range fields {
				hashes[key][f] = s.server.HGet(key, f)
			}
		case "zset":
			zsets[key], _ = s.server.SortedSet(key)
		}
	}
	return func() {
		s.weather.redis.Lock()
		defer s.weather.redis.Unlock()
		s.server.FlushAll()
		for key, v := range strs {
			_ = s.server.Set(key, v)
		}
		for key, fields := range hashes {
			for f, v := range fields {
				s.server.HSet(key, f, v)
			}
		}
		for key, members := range zsets {
			for m, score := range members {
				_, _ = s.server.ZAdd(key, score, m)
			}
		}
	}
}
