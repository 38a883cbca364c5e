package fhirserver

import (
	"container/list"
	"sync"
	"time"
)

// search is a stored search: which rows it found, and how to page them. Rows
// are shown as they are when the page is asked for; those deleted since are left out.
type search struct {
	id         string
	key        string // what was asked for, to find it again
	at         time.Time
	table      *table
	rows       []*row
	patients   []string
	total      bool // was asked for
	revInclude bool // Provenance of each match
	includes   []include
}

// searches keeps the stored searches: at most max, each for ttl.
type searches struct {
	max        int
	ttl, reuse time.Duration

	mu    sync.Mutex
	byID  map[string]*list.Element
	byKey map[string]*search // only when searches are used again
	order *list.List         // of *search, the one used last in front
}

func newSearches(max int, ttl, reuse time.Duration) *searches {
	return &searches{max: max, ttl: ttl, reuse: reuse, byID: map[string]*list.Element{}, byKey: map[string]*search{}, order: list.New()}
}

func (c *searches) put(s *search) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[s.id] = c.order.PushFront(s)
	if c.reuse > 0 {
		c.byKey[s.key] = s
	}
	for c.order.Len() > c.max {
		c.drop(c.order.Back())
	}
}

// get finds a search that has not expired, else nil.
func (c *searches) get(id string, now time.Time) *search {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil {
		return nil
	}
	s := e.Value.(*search)
	if now.Sub(s.at) >= c.ttl {
		c.drop(e)
		return nil
	}
	c.order.MoveToFront(e)
	return s
}

// again finds the same search done a short while ago, else nil.
func (c *searches) again(key string, now time.Time) *search {
	if c.reuse == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.byKey[key]; s != nil && now.Sub(s.at) < c.reuse {
		return s
	}
	return nil
}

func (c *searches) drop(e *list.Element) {
	s := c.order.Remove(e).(*search)
	delete(c.byID, s.id)
	if c.byKey[s.key] == s {
		delete(c.byKey, s.key)
	}
}
