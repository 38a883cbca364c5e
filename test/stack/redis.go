package stack

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// Redis is a real redis-server in a process of its own, without persistence.
type Redis struct {
	*Process
	Addr, dir string
}

// StartRedis starts redis-server on a free port.
func StartRedis(ctx context.Context, dir string) (*Redis, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	r := &Redis{Addr: addr, dir: dir}
	return r, r.Restart(ctx)
}

// Restart starts it again on the same port, empty, after a Kill.
func (r *Redis) Restart(ctx context.Context) error {
	_, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		return err
	}
	r.Process, err = Start("redis", filepath.Join(r.dir, "redis.log"), nil, nil, "redis-server",
		"--bind", "127.0.0.1", "--port", port, "--dir", r.dir, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction")
	if err != nil {
		return fmt.Errorf("%w\nhint: apt-get install redis-server", err)
	}
	ctx, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	return until(ctx, r.Process, "listening", func() bool {
		c, err := net.Dial("tcp", r.Addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}
