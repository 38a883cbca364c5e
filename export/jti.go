package export

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"sluice/storage"
)

// jtiRoot is the prefix of the ids of client assertions that were used.
const jtiRoot = SystemRoot + "jti/"

// jtiGrace is how long past the end of an assertion its id is kept: leeway of the verifier and clocks that differ.
const jtiGrace = 15 * time.Minute

// JTIKey returns the key that stands for the use of one assertion id by one client. Claiming it with ClaimOnce decides for all replicas,
// also when Redis has forgotten. The minute of exp is in it so that what is over can be found.
func JTIKey(client, jti string, exp time.Time) string {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(client))) // so that no two pairs run together
	h.Write(n[:])
	io.WriteString(h, client)
	io.WriteString(h, jti)
	return fmt.Sprintf("%s%010d/%s", jtiRoot, max(exp.Unix(), 0)/60, hex.EncodeToString(h.Sum(nil)))
}

// ClaimOnce reports whether the caller is the only one that ever claimed key. A claim whose outcome is not known is an error and may
// be lost: nobody else gets it either.
func ClaimOnce(ctx context.Context, s storage.Store, key string, body []byte) (bool, error) {
	err := storage.PutIfAbsent(ctx, s, key, body, "application/octet-stream")
	if errors.Is(err, storage.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// SweepJTIs removes the ids of assertions that nobody would accept any more. Any number of replicas may sweep at once.
func SweepJTIs(ctx context.Context, s storage.Store, now time.Time) error {
	for dir, err := range s.Dirs(ctx, jtiRoot) {
		if err != nil {
			return fmt.Errorf("list %s: %w", jtiRoot, err)
		}
		minute, err := strconv.ParseInt(dir, 10, 64)
		if err != nil {
			continue // not ours
		}
		if time.Unix((minute+1)*60, 0).Add(jtiGrace).After(now) {
			return nil // they ascend
		}
		for info, err := range s.List(ctx, jtiRoot+dir+"/") {
			if err != nil {
				return fmt.Errorf("list %s%s: %w", jtiRoot, dir, err)
			}
			if err := s.Delete(ctx, info.Key); err != nil {
				return fmt.Errorf("delete %s: %w", info.Key, err)
			}
		}
	}
	return nil
}
