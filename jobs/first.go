package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// waitReplica is how long First waits for a replica to have heard of a choice.
const waitReplica = 100 * time.Millisecond

// First makes id the one that is chosen for key, unless another was within the last while, and tells whether it is id. It may be called
// again with the same id. Where Redis has replicas, one of them is waited for, so that a failover does not forget the choice.
func (s *Store) First(ctx context.Context, key, id string, while time.Duration) (bool, error) {
	sum := sha256.Sum256([]byte(key))
	name := s.o.Prefix + "{w:" + hex.EncodeToString(sum[:16]) + "}"
	var won *redis.BoolCmd
	var who *redis.StringCmd
	var heard *redis.Cmd
	_, err := s.o.Redis.Pipelined(ctx, func(p redis.Pipeliner) error { // one connection: WAIT is about what was written on it
		won, who = p.SetNX(ctx, name, id, while), p.Get(ctx, name)
		if s.replicated(ctx) {
			heard = p.Do(ctx, "WAIT", 1, waitReplica.Milliseconds())
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("choose a writer: %w", err)
	}
	if heard != nil {
		if n, err := heard.Int(); err != nil || n == 0 {
			return false, fmt.Errorf("choose a writer: no replica of Redis has heard of it")
		}
	}
	return won.Val() || who.Val() == id, nil
}

// replicated tells that Redis is a single one with replicas. In a cluster WAIT cannot be sent to the node that holds a key.
func (s *Store) replicated(ctx context.Context) bool {
	if _, cluster := s.o.Redis.(*redis.ClusterClient); cluster {
		return false
	}
	info, err := s.o.Redis.Info(ctx, "replication").Result()
	return err == nil && !strings.Contains(info, "connected_slaves:0")
}
