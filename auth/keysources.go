package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	earlyRefetch = 30 * time.Second // at most one fetch per interval because of an unknown kid
	failedWait   = 5 * time.Second  // a key server that just failed is left alone
)

// keySources finds a client's key: in its inline set, or in the set at its URL, cached per client.
type keySources struct {
	http *http.Client
	now  func() time.Time
	log  *slog.Logger

	mu  sync.Mutex
	set map[string]*keySource // by client id
}

// keySource is the cache of one client. Whoever holds turn may fetch; the others wait and look again.
type keySource struct {
	raw  []byte // inline set the keys were read from
	uri  string
	turn chan struct{}

	fetches    atomic.Int64 // begun so far
	keys       []publicKey
	freshUntil time.Time
	staleUntil time.Time // while err is set, keys are used until then
	early      time.Time // last fetch because of an unknown kid
	failed     time.Time // last failed fetch; zero after a good one
	err        error
}

func newKeySources(c *http.Client, now func() time.Time, log *slog.Logger) *keySources {
	return &keySources{http: c, now: now, log: log, set: map[string]*keySource{}}
}

// find returns the one key of c with this kid that fits alg. The error says what is missing, for the audit log only.
func (s *keySources) find(ctx context.Context, c *Client, kid, alg string) (publicKey, error) {
	src := s.source(c)
	if src.uri == "" {
		return pick(src.keys, kid, alg, src.err)
	}
	before := src.fetches.Load()
	select {
	case src.turn <- struct{}{}:
		defer func() { <-src.turn }()
	case <-ctx.Done():
		return publicKey{}, fmt.Errorf("wait for key set: %w", ctx.Err())
	}
	now := s.now()
	waited := src.fetches.Load() != before // a fetch began and ended while we waited: its answer is ours
	switch {
	case !waited && !now.Before(src.freshUntil):
		s.fetch(ctx, c, src)
	case !waited && !has(src.keys, kid, alg) && now.Sub(src.early) >= earlyRefetch:
		src.early = now
		s.fetch(ctx, c, src)
	}
	if src.err != nil && !s.now().Before(src.staleUntil) {
		src.keys = nil
	}
	return pick(src.keys, kid, alg, src.err)
}

// source is the cache entry of c, made new when its registration names other keys.
func (s *keySources) source(c *Client) *keySource {
	s.mu.Lock()
	defer s.mu.Unlock()
	src := s.set[c.ID]
	if src != nil && src.uri == c.JWKSURI && bytes.Equal(src.raw, c.JWKS) {
		return src
	}
	src = &keySource{raw: bytes.Clone(c.JWKS), uri: c.JWKSURI, turn: make(chan struct{}, 1)}
	if src.uri == "" {
		var notes []string
		src.keys, notes, src.err = parseJWKS(c.JWKS)
		s.report(c.ID, notes)
	}
	s.set[c.ID] = src
	return src
}

// fetch replaces the keys by what the URL gives now. While its server is down, known keys live on as long as the client allows.
// The caller has the turn; its going away does not spoil the fetch for others.
func (s *keySources) fetch(ctx context.Context, c *Client, src *keySource) {
	now := s.now()
	if !src.failed.IsZero() && now.Sub(src.failed) < failedWait {
		return
	}
	src.fetches.Add(1)

	body, header, err := fetchJWKS(context.WithoutCancel(ctx), s.http, src.uri)
	var keys []publicKey
	if err == nil {
		var notes []string
		keys, notes, err = parseJWKS(body)
		s.report(c.ID, notes)
	}
	now = s.now()
	if err != nil {
		src.failed, src.err = now, err
		return
	}
	fresh, stale := lifetimes(header, now)
	src.keys, src.err, src.failed = keys, nil, time.Time{}
	src.freshUntil, src.staleUntil = now.Add(fresh), now.Add(fresh+stale)
}

// report logs entries of a set that are not used (TOK-08).
func (s *keySources) report(client string, notes []string) {
	for _, n := range notes {
		s.log.Warn("key of a client ignored", "client", client, "reason", n)
	}
}

func has(keys []publicKey, kid, alg string) bool {
	for _, k := range keys {
		if k.kid == kid && k.alg == alg {
			return true
		}
	}
	return false
}

// pick: TOK-04, exactly one key with that kid and a kty that fits.
func pick(keys []publicKey, kid, alg string, err error) (publicKey, error) {
	var found publicKey
	n := 0
	for _, k := range keys {
		if k.kid == kid && k.alg == alg {
			found = k
			n++
		}
	}
	switch {
	case n == 1:
		return found, nil
	case n > 1:
		return publicKey{}, errors.New("more than one key with this kid")
	case err != nil:
		return publicKey{}, err
	}
	return publicKey{}, fmt.Errorf("no key with this kid that fits %s", alg)
}
