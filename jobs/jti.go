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
	// The call's own word is what is stored: a call that is sent again because its answer was lost gets the same answer.
	r, err := s.run(ctx, "jti", []string{key}, []any{exp.UnixMilli(), jtiGrace.Milliseconds()})
	if err != nil {
		return false, fmt.Errorf("note assertion id: %w", err)
	}
	return r.num(0) == 1, nil
}
