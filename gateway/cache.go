package gateway

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps records that never change, the last used ones up to a cost, each for a time. It is safe for concurrent use.
type cache[V any] struct {
	limit int64
	ttl   time.Duration

	mu   sync.Mutex
	cost int64
	byID map[string]*list.Element
	used list.List // of *cached[V], last used first
}

type cached[V any] struct {
	id    string
	value V
	cost  int64
	until time.Time
}

func newCache[V any](limit int64, ttl time.Duration) *cache[V] {
	return &cache[V]{limit: limit, ttl: ttl, byID: map[string]*list.Element{}}
}

func (c *cache[V]) get(id string) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil {
		return v, false
	}
	entry := e.Value.(*cached[V])
	if time.Now().After(entry.until) {
		c.drop(e)
		return v, false
	}
	c.used.MoveToFront(e)
	return entry.value, true
}

// put keeps v, unless it alone would take more than half of the cache.
func (c *cache[V]) put(id string, v V, cost int64) {
	if cost > c.limit/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byID[id]; e != nil {
		c.drop(e)
	}
	c.byID[id] = c.used.PushFront(&cached[V]{id, v, cost, time.Now().Add(c.ttl)})
	c.cost += cost
	for c.cost > c.limit {
		c.drop(c.used.Back())
	}
}

func (c *cache[V]) drop(e *list.Element) {
	entry := c.used.Remove(e).(*cached[V])
	c.cost -= entry.cost
	delete(c.byID, entry.id)
}
