package jobs

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// embeddedTick is how often the keys of the embedded Redis age. A key may go earlier than it should by as much.
const embeddedTick = time.Second

// Embedded starts a Redis inside this process, reached through pipes and not through a port. It forgets everything when it is
// stopped; storage does not, and Restore rebuilds the jobs. stop ends the client too, waits for all goroutines, and may be called
// again; ctx is only for the start. It works inside a testing/synctest bubble, where its time is the bubble's.
func Embedded(ctx context.Context) (client redis.UniversalClient, stop func(), err error) {
	m := miniredis.NewMiniRedis()
	c := redis.NewClient(&redis.Options{
		Addr:                     "embedded",
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
		Protocol:                 2,
		DisableIdentity:          true,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}, // else the name is looked up in the DNS
		PoolSize:                 16,                                                                // one at a time is served; more connections would only be more goroutines
	})
	done, wg := make(chan struct{}), sync.WaitGroup{}
	wg.Go(func() { age(m, done) })
	stop = sync.OnceFunc(func() {
		close(done)
		wg.Wait()
		c.Close()
		m.Close()
	})
	if err := c.Ping(ctx).Err(); err != nil {
		stop()
		return nil, nil, fmt.Errorf("start the embedded redis: %w", err)
	}
	return c, stop, nil
}

// age lets the keys grow older. The server's TIME follows the clock by itself; its times to live move only when told, and its own
// ClockTTL would look at every key at every command of every script.
func age(m *miniredis.Miniredis, done <-chan struct{}) {
	tick := time.NewTicker(embeddedTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}
