package jobs

import (
	"context"
	"strconv"
	"time"
)

// A claim tries the jobs in short lists, and gives up for now after so many lists: each list that gave nothing is skipped for a
// moment, so that many lists mean a very busy schedule and not a forgotten job.
const (
	candidatesPerPick = 4
	picksPerClaim     = 64
)

// Claim gives the next piece of work to owner, or nil, nil when there is nothing to do now.
//
// Whose turn it is, is decided by what clients, and then their jobs, have had so far; of a client at most MaxRunning jobs run at
// once. A claim whose answer is lost runs out like any other lease.
func (s *Store) Claim(ctx context.Context, owner string) (*Lease, error) {
	for range picksPerClaim {
		turns, err := s.pick(ctx)
		if err != nil || len(turns) == 0 {
			return nil, err
		}
		l, corrections, err := s.try(ctx, owner, turns)
		if len(corrections) > 0 {
			serr := s.settle(ctx, corrections)
			switch {
			case l != nil && serr != nil:
				// The lease is there. The shares are a little off, which evens out.
				s.o.Log.WarnContext(ctx, "claim not charged", "job", l.Job, "error", serr)
			case err == nil:
				err = serr
			}
		}
		if l != nil || err != nil {
			return l, err
		}
	}
	return nil, nil
}

// turn is a job that may be claimed from, and what the claim is charged.
type turn struct {
	id, client string
	charge     int64
}

func (s *Store) pick(ctx context.Context) ([]turn, error) {
	r, err := s.schedule(ctx, "pick", candidatesPerPick)
	if err != nil {
		return nil, err
	}
	var ts []turn
	for ; len(r) >= 3; r = r[3:] {
		ts = append(ts, turn{id: r.str(0), client: r.str(1), charge: r.num(2)})
	}
	return ts, nil
}

// try claims from the first job that has something, and says what has to be corrected: pick has charged the first of the turns.
func (s *Store) try(ctx context.Context, owner string, turns []turn) (*Lease, []correction, error) {
	var cs []correction
	for n, t := range turns {
		r, _, err := s.job(ctx, "claim", t.id, t.client, owner, s.o.Lease.Milliseconds(), t.charge)
		charged := int64(0)
		if n == 0 {
			charged = t.charge
		}
		switch {
		case err != nil:
			return nil, append(cs, correction{turn: t, add: -charged, look: asBefore}), err
		case r.str(0) == "leased":
			if n > 0 {
				cs = append(cs, correction{turn: t, add: t.charge, look: asBefore})
			}
			return &Lease{
				Job: t.id, Client: t.client, Item: r.str(1), Token: r.num(2), Epoch: r.str(3), Owner: owner, Panics: r.num(4), Deaths: r.num(5),
			}, cs, nil
		case r.str(0) == "idle":
			cs = append(cs, correction{turn: t, add: -charged, look: time.Duration(r.num(1)) * time.Millisecond})
		default: // it has ended, or Redis has lost it: who was to take it out of the schedule did not come to it
			if err := s.leave(ctx, t.id, keepAfter(State(r.str(1)))); err != nil {
				return nil, cs, err
			}
		}
	}
	return nil, cs, nil
}

func keepAfter(state State) time.Duration {
	if state.Ended() {
		return keptFor
	}
	return 0
}

// correction changes what a job and its client have had, and when to look at the job again.
type correction struct {
	turn
	add      int64
	look     time.Duration // 0: now
	requests int64         // of its last chunk; 0: as before
}

const asBefore = time.Duration(-1)

func (s *Store) settle(ctx context.Context, cs []correction) error {
	var args []any
	for _, c := range cs {
		look, requests := "", ""
		if c.look != asBefore {
			look = strconv.FormatInt(c.look.Milliseconds(), 10)
		}
		if c.requests > 0 {
			requests = strconv.FormatInt(c.requests, 10)
		}
		args = append(args, c.id, c.client, c.add, look, requests)
	}
	_, err := s.schedule(ctx, "settle", args...)
	return err
}

// wake charges what a piece of work has cost beyond its claim, and lets the job be looked at now. If it fails the work is done all
// the same: the shares even out, and no job is passed over for longer than a second.
func (s *Store) wake(ctx context.Context, l Lease, add, requests int64) {
	err := s.settle(ctx, []correction{{turn: turn{id: l.Job, client: l.Client}, add: add, requests: requests}})
	if err != nil {
		s.o.Log.WarnContext(ctx, "work not charged", "job", l.Job, "error", err)
	}
}
