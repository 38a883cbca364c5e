package fanout

import (
	"context"
	"math/rand/v2"
	"time"
)

// A search that failed although the upstream client tried it several times is tried again after a while, maxRounds times between two
// good answers: what ails a server often lasts for longer than a retry does. The others of its type are not slowed down with it: only
// one search that had no answer yet waits, and one whose type answers.
const (
	maxRounds = 2
	roundWait = 20 * time.Second
)

// waitsOut tells that err may pass and that the time for it was taken. Otherwise err stands, or the work ends with the second result.
func (r *chunkRun) waitsOut(ctx, drain context.Context, typ string, rounds *int, err error) (bool, error) {
	t := r.triesOf(typ)
	if *rounds >= maxRounds || !t.answered && t.failed > 0 || !passing(err) {
		return false, nil
	}
	*rounds++
	began := time.Now()
	wait, done := context.WithTimeout(drain, roundWait/2+rand.N(roundWait))
	defer done()
	select {
	case <-ctx.Done():
	case <-wait.Done():
	}
	r.claimed = r.claimed.Add(time.Since(began)) // who waits is not at work for long: nothing to split
	return true, r.border(ctx, drain)
}

// passing tells that the same question may have an answer later.
func passing(err error) bool {
	se := asSourceError(err)
	if se == nil || se.Expired() || se.Permanent() || refused(err) {
		return false
	}
	_, all := se.Unavailable()
	return !all
}
