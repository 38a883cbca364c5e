package jobs

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"sluice/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openEmbedded starts an embedded Redis for one test.
func openEmbedded(t testing.TB) redis.UniversalClient {
	t.Helper()
	c, stop, err := Embedded(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return c
}

// openReal connects to the Redis that SLUICE_TEST_REDIS names: host:port, or a URL as in state.redis.
func openReal(t testing.TB) redis.UniversalClient {
	t.Helper()
	address := os.Getenv("SLUICE_TEST_REDIS")
	if !strings.Contains(address, "://") {
		address = "redis://" + address
	}
	r, err := config.ParseRedis(address)
	if err != nil {
		t.Fatal(err)
	}
	o := &redis.UniversalOptions{
		Addrs: r.Addrs, Username: r.Username, Password: r.Password.Reveal(), DB: r.DB, MasterName: r.Master,
		IsClusterMode: r.Mode == config.RedisCluster, ContextTimeoutEnabled: true,
	}
	if r.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c := redis.NewUniversalClient(o)
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// backends are the Redis servers that the suite runs on: the embedded one always, a real one when there is one.
func backends() map[string]func(testing.TB) redis.UniversalClient {
	b := map[string]func(testing.TB) redis.UniversalClient{"embedded": openEmbedded}
	if os.Getenv("SLUICE_TEST_REDIS") != "" {
		b["real"] = openReal
	}
	return b
}

// bench is a store with its own keys, and what a test does to Redis behind its back.
type bench struct {
	*Store
	t     testing.TB
	redis redis.UniversalClient
}

// newBench makes a store under a prefix of its own and removes its keys at the end.
func newBench(t testing.TB, c redis.UniversalClient, o Options) *bench {
	t.Helper()
	o.Redis, o.Prefix = c, "test-"+strings.ToLower(rand.Text()[:10])+":"
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{s, t, c}
	t.Cleanup(b.flush)
	return b
}

func (b *bench) keys() []string {
	b.t.Helper()
	var mu sync.Mutex
	var keys []string
	scan := func(ctx context.Context, c *redis.Client) error {
		it := c.Scan(ctx, 0, b.o.Prefix+"*", 1000).Iterator()
		for it.Next(ctx) {
			mu.Lock()
			keys = append(keys, it.Val())
			mu.Unlock()
		}
		return it.Err()
	}
	switch c := b.redis.(type) {
	case *redis.Client:
		b.noError(scan(context.Background(), c))
	case *redis.ClusterClient:
		b.noError(c.ForEachMaster(context.Background(), scan))
	default:
		b.t.Fatalf("no idea how to list the keys of a %T", c)
	}
	return keys
}

// flush is the loss of everything.
func (b *bench) flush() {
	b.t.Helper()
	for _, k := range b.keys() {
		b.noError(b.redis.Del(context.Background(), k).Err())
	}
}

// expire lets a lease run out now.
func (b *bench) expire(l Lease) {
	b.t.Helper()
	b.noError(b.redis.ZAddXX(context.Background(), b.key(l.Job, "l"), redis.Z{Score: 1, Member: l.Item}).Err())
	b.look()
}

// look makes Claim look at every job again, as it does by itself after a second.
func (b *bench) look() {
	b.t.Helper()
	b.noError(b.redis.Del(context.Background(), b.o.Prefix+"{u}:idle").Err())
}

// hurry makes everything ready that waits for its time.
func (b *bench) hurry(id string) {
	b.t.Helper()
	items, err := b.redis.ZRange(context.Background(), b.key(id, "q"), 0, -1).Result()
	b.noError(err)
	for _, item := range items {
		b.noError(b.redis.ZAddXX(context.Background(), b.key(id, "q"), redis.Z{Score: 1, Member: item}).Err())
	}
	b.look()
}

func (b *bench) key(id, suffix string) string { return b.o.Prefix + "{j:" + id + "}:" + suffix }

func (b *bench) noError(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// kickOff admits and queues a job.
func (b *bench) kickOff(client string) string {
	b.t.Helper()
	id := NewID()
	b.noError(b.Admit(context.Background(), id, client))
	b.noError(b.Queue(context.Background(), id))
	return id
}

// claim takes the next piece of work; there must be one.
func (b *bench) claim() Lease {
	b.t.Helper()
	l, err := b.Claim(context.Background(), "w1")
	b.noError(err)
	if l == nil {
		b.t.Fatal("nothing to claim")
	}
	return *l
}

// nothing checks that there is nothing to claim now.
func (b *bench) nothing() {
	b.t.Helper()
	l, err := b.Claim(context.Background(), "w1")
	b.noError(err)
	if l != nil {
		b.t.Fatalf("claimed %+v, want nothing", *l)
	}
}

// planned kicks a job off and plans it: so many chunks, then finish.
func (b *bench) planned(client string, chunks int64) string {
	b.t.Helper()
	id := b.kickOff(client)
	l, _, err := b.try(context.Background(), "w1", []turn{{id: id, client: client}}) // whosever turn it is
	b.noError(err)
	if l == nil || l.Item != "plan" {
		b.t.Fatalf("claimed %+v, want the plan", l)
	}
	b.noError(b.Advance(context.Background(), *l, chunks, "finish"))
	return id
}

func (b *bench) get(id string) Job {
	b.t.Helper()
	j, err := b.Get(context.Background(), id)
	b.noError(err)
	return j
}

const hour = time.Hour
