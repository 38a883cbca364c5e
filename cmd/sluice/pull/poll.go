package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// errFailed is in the chain when the export itself has failed or is gone: there is nothing to go on with.
var errFailed = errors.New("the export failed")

// poll: Bulk Data Access, Status Request. It asks until the export has ended, as often as the server likes to be asked. Trouble in
// answering says nothing about the export (STAT-05, STAT-11).
func (p *puller) poll(ctx context.Context, status string) (*manifest, error) {
	again := patience{limit: p.o.Patience}
	for try := 0; ; {
		res, err := p.s.do(ctx, http.MethodGet, status, http.Header{"Accept": {"application/json"}}, true)
		switch {
		case err != nil:
		case res.StatusCode == http.StatusOK:
			m, merr := p.manifest(ctx, res)
			if merr == nil {
				return m, nil
			}
			err = merr
		case res.StatusCode == http.StatusAccepted:
			drain(res)
			again.reset()
			p.tell(res.Header.Get("X-Progress"))
			wait, ok := retryAfter(res.Header)
			if !ok {
				wait = pollPause(try)
			}
			try++
			if sleep(ctx, max(wait, time.Second)) != nil {
				return nil, ctx.Err()
			}
			continue
		default:
			failure := answered(res)
			if err = failure; !temporary(failure) && failure.Status != http.StatusUnauthorized && failure.Status != http.StatusForbidden {
				return nil, fmt.Errorf("%w: %w", errFailed, failure)
			}
		}
		if ctx.Err() == nil && temporary(err) {
			p.tell(fmt.Sprintf("the status cannot be had now (%v); asking again", err))
		}
		if err = again.wait(ctx, err); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
	}
}

// pollPause is for servers that do not say when to come back: 1 s, growing to 30 s.
func pollPause(try int) time.Duration {
	d := time.Second
	for range min(try, 12) {
		d = d * 3 / 2
	}
	return min(d, 30*time.Second)
}

// cancel: Bulk Data Access, Delete Request. It has its own short time, since ctx has ended.
func (p *puller) cancel(ctx context.Context, status string) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	res, err := p.s.do(ctx, http.MethodDelete, status, nil, true)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 && res.StatusCode != http.StatusNotFound {
		return answered(res)
	}
	drain(res)
	return nil
}
