package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ReplicaSet is a primary, its replica, and three sentinels that watch them.
type ReplicaSet struct {
	Primary, Replica *Redis
	sentinels        []*Process
	addrs            []string
}

// setName is what the sentinels call the primary.
const setName = "exports"

// StartReplicaSet starts all five.
func StartReplicaSet(ctx context.Context, dir string) (*ReplicaSet, error) {
	s := &ReplicaSet{}
	folder := func(name string) (string, error) {
		d := filepath.Join(dir, name)
		return d, os.MkdirAll(d, 0o700)
	}
	var err error
	for _, r := range []struct {
		name string
		to   **Redis
	}{{"primary", &s.Primary}, {"replica", &s.Replica}} {
		d, err := folder(r.name)
		if err != nil {
			return s, err
		}
		if *r.to, err = StartRedis(ctx, d); err != nil {
			return s, err
		}
	}
	host, port, err := net.SplitHostPort(s.Primary.Addr)
	if err != nil {
		return s, err
	}
	if err := command(s.Replica.Addr, "REPLICAOF", host, port); err != nil {
		return s, err
	}
	for n := range 3 {
		addr, err := FreeAddr()
		if err != nil {
			return s, err
		}
		_, own, err := net.SplitHostPort(addr)
		if err != nil {
			return s, err
		}
		d, err := folder(fmt.Sprint("sentinel", n+1))
		if err != nil {
			return s, err
		}
		conf := filepath.Join(d, "sentinel.conf")
		text := fmt.Sprintf("bind 127.0.0.1\nport %s\ndir %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s 2000\nsentinel failover-timeout %s 5000\n",
			own, d, setName, host, port, setName, setName)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return s, err
		}
		p, err := Start("sentinel", filepath.Join(d, "sentinel.log"), nil, nil, "redis-sentinel", conf)
		if err != nil {
			return s, fmt.Errorf("%w\nhint: apt-get install redis-sentinel", err)
		}
		s.sentinels, s.addrs = append(s.sentinels, p), append(s.addrs, addr)
	}
	wait, done := context.WithTimeout(ctx, 20*time.Second)
	defer done()
	for _, p := range s.sentinels {
		addr := s.addrs[len(s.addrs)-1]
		if err := until(wait, p, "watching the replica", func() bool {
			text, err := ask(addr, "SENTINEL", "REPLICAS", setName)
			return err == nil && strings.Contains(text, s.Replica.Addr)
		}); err != nil {
			return s, err
		}
	}
	return s, nil
}

// URL is what state.redis is set to.
func (s *ReplicaSet) URL() string {
	return "redis+sentinel://" + strings.Join(s.addrs, ",") + "/" + setName
}

// Kill ends all of them.
func (s *ReplicaSet) Kill() {
	for _, p := range s.sentinels {
		p.Kill()
	}
	for _, r := range []*Redis{s.Primary, s.Replica} {
		if r != nil && r.Process != nil {
			_ = r.Thaw() // or it is gone
			r.Kill()
		}
	}
}

// command sends one command and wants it to be taken.
func command(addr string, words ...string) error {
	text, err := ask(addr, words...)
	if err == nil && strings.HasPrefix(text, "-") {
		err = errors.New(strings.TrimSpace(text))
	}
	return err
}

// ask sends one command to a Redis and returns the first bytes of the answer.
func ask(addr string, words ...string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	msg := fmt.Sprintf("*%d\r\n", len(words))
	for _, w := range words {
		msg += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := c.Write([]byte(msg)); err != nil {
		return "", err
	}
	buf := make([]byte, 16<<10)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}
