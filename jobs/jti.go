package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// jtiGrace is how long an assertion id is remembered after its expiry: a verifier may still take an assertion a little later.
const jtiGrace = 2 * time.Minute

// UseJTI notes that a client has used the id of an assertion, until exp and a little longer; false when it was used before. Redis may lose it: where
// that matters, storage has the last word and this is the fast first check.
func (s *Store) UseJTI(ctx context.Context, client, jti string, exp time.Time) (bool, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(client), client, jti))
	key := s.o.Prefix + "jti:" + hex.EncodeToString(sum[:])
	// The client library sends a command again when the answer was lost: the nonce lets the second one have the answer of the first.
	r, err := s.run(ctx, "jti", []string{key}, []any{NewID(), exp.UnixMilli(), jtiGrace.Milliseconds()})
	if err != nil {
		return false, fmt.Errorf("note assertion id: %w", err)
	}
	if r.str(0) != key {
		return false, fmt.Errorf("note assertion id: %w", errForeign)
	}
	return r.num(1) == 1, nil
}
