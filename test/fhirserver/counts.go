package fhirserver

import (
	"errors"
	"hash/maphash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Counts tells what was asked for since the start or the last reset.
type Counts struct {
	Requests    int64            `json:"requests"`
	InFlight    int              `json:"inFlight"`    // being answered now
	MaxInFlight int              `json:"maxInFlight"` // at most at one time
	Bytes       int64            `json:"bytes"`       // of bodies, before compression
	Searches    map[Key]int64    `json:"searches"`    // first pages per patient and type
	Pages       int64            `json:"pages"`       // pages after the first
	Routes      map[string]int64 `json:"routes"`      // per Route constant
	Status      map[int]int64    `json:"status"`      // per status code; 0: no answer was given
	Faults      map[string]int64 `json:"faults"`      // per Fault.Name, those really served
	Log         []string         `json:"log"`         // the last requests, "METHOD path", no query
}

// Key is a patient (or "" for a search that names none) and a resource type.
// Its text is "patient/type".
type Key struct{ Patient, Type string }

// MarshalText gives "patient/type".
func (k Key) MarshalText() ([]byte, error) { return []byte(k.Patient + "/" + k.Type), nil }

// UnmarshalText reads "patient/type".
func (k *Key) UnmarshalText(b []byte) error {
	var ok bool
	if k.Patient, k.Type, ok = strings.Cut(string(b), "/"); !ok {
		return errors.New("fhirserver: not a patient/type key")
	}
	return nil
}

// counter counts. Its zero value needs init.
type counter struct {
	mu    sync.Mutex
	now   Counts
	log   []string // ring
	size  int
	next  int // where in log the next request goes
	seed  maphash.Seed
	tries map[uint64]int
	times []time.Time // of all requests
}

func (k *counter) init(logSize int) {
	k.size, k.seed = logSize, maphash.MakeSeed()
	k.reset()
}

func (k *counter) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	in := k.now.InFlight
	k.now = Counts{
		InFlight: in, MaxInFlight: in, Searches: map[Key]int64{},
		Routes: map[string]int64{}, Status: map[int]int64{}, Faults: map[string]int64{},
	}
	k.log, k.next, k.tries, k.times = nil, 0, map[uint64]int{}, nil
}

// begin counts a request and gives its number.
func (k *counter) begin(c *call) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := &k.now
	n.Requests++
	k.times = append(k.times, time.Now())
	n.InFlight++
	n.MaxInFlight = max(n.MaxInFlight, n.InFlight)
	n.Routes[c.Route]++
	switch {
	case c.Route == RoutePage:
		n.Pages++
	case c.Route == RouteSearch && len(c.Patients) == 0:
		n.Searches[Key{"", c.Type}]++
	case c.Route == RouteSearch:
		for _, patient := range c.Patients {
			n.Searches[Key{patient, c.Type}]++
		}
	}
	line := c.Method + " /" + c.path
	if len(k.log) < k.size {
		k.log = append(k.log, line)
	} else {
		k.log[k.next] = line
	}
	k.next = (k.next + 1) % k.size
	return n.Requests
}

func (k *counter) end(status int, bytes int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now.InFlight--
	k.now.Status[status]++
	k.now.Bytes += bytes
}

func (k *counter) fault(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now.Faults[name]++
}

// try counts how often a request was made.
func (k *counter) try(r *http.Request, form url.Values) int {
	var h maphash.Hash
	h.SetSeed(k.seed)
	for _, part := range []string{r.Method, r.URL.RequestURI(), form.Encode()} {
		_, _ = h.WriteString(part) // never fails
		_ = h.WriteByte(0)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tries[h.Sum64()]++
	return k.tries[h.Sum64()]
}

func (k *counter) copied() Counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.now
	c.Searches, c.Routes = maps.Clone(c.Searches), maps.Clone(c.Routes)
	c.Status, c.Faults = maps.Clone(c.Status), maps.Clone(c.Faults)
	c.Log = make([]string, 0, len(k.log))
	if len(k.log) == k.size {
		c.Log = append(c.Log, k.log[k.next:]...)
		c.Log = append(c.Log, k.log[:k.next]...)
	} else {
		c.Log = append(c.Log, k.log...)
	}
	return c
}

// Busiest is the largest number of requests that began within any time span of this length since the start or the last reset.
func (s *Server) Busiest(span time.Duration) int {
	s.counter.mu.Lock()
	times := slices.Clone(s.counter.times)
	s.counter.mu.Unlock()
	most, first := 0, 0
	for last, t := range times {
		for t.Sub(times[first]) >= span {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// Counts is a copy of the counters.
func (s *Server) Counts() Counts { return s.counter.copied() }

// ResetCounts sets all counters to zero, the numbers of requests and tries that
// faults see among them.
func (s *Server) ResetCounts() { s.counter.reset() }
