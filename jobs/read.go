package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Get returns one job, or ErrUnknown.
func (s *Store) Get(ctx context.Context, id string) (Job, error) {
	r, client, err := s.job(ctx, "get", id, "")
	if err != nil {
		return Job{}, err
	}
	if client == "" {
		return Job{}, fmt.Errorf("get job %s: %w", id, ErrUnknown)
	}
	record, counters := r.fields(1), r.fields(2)
	if record["id"] != id || record["client"] != client {
		return Job{}, fmt.Errorf("get job %s: %w", id, errForeign)
	}
	j := Job{
		ID:      id,
		Client:  client,
		State:   State(record["state"]),
		Created: instant(record["created"]),
		Updated: instant(record["updated"]),
		Total:   number(record["total"]) + number(record["kids"]),
		Done:    number(record["done"]) + number(record["kdone"]),
		Leased:  r.num(0),
		Reason:  record["reason"],
		Types:   map[string]int64{},
		Counters: Counters{
			Patients: number(counters["patients"]),
			Rows:     number(counters["rows"]),
			Bytes:    number(counters["bytes"]),
			Errors:   number(counters["errors"]),
			Requests: number(counters["requests"]),
		},
	}
	j.Stuck = j.State == Running && j.Leased == 0 && r.num(3) == 0
	for name, rows := range counters {
		if typ, ok := strings.CutPrefix(name, "t:"); ok {
			j.Types[typ] = number(rows)
		}
	}
	return j, nil
}

// List returns all jobs: those in the schedule by the time of their kick-off, then those that have ended and are still kept.
func (s *Store) List(ctx context.Context) ([]Job, error) {
	ids, err := s.schedule(ctx, "list")
	if err != nil {
		return nil, err
	}
	var js []Job
	for n := range ids {
		j, err := s.Get(ctx, ids.str(n))
		if errors.Is(err, ErrUnknown) {
			continue // it went between the two reads
		}
		if err != nil {
			return nil, err
		}
		js = append(js, j)
	}
	return js, nil
}

func number(v string) int64 {
	n, _ := strconv.ParseInt(v, 10, 64)
	return n
}

func instant(ms string) time.Time { return time.UnixMilli(number(ms)).UTC() }
