package pull

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/bulkdata"
	"sluice/fhir"
)

// kickoffURL: Bulk Data Access, Kick-off Request.
func kickoffURL(base *url.URL, o Options) (string, error) {
	path := ""
	switch o.Level {
	case bulkdata.System:
		path = "/$export"
	case bulkdata.Patient:
		path = "/Patient/$export"
	case bulkdata.Group:
		if o.GroupID == "" {
			return "", permanentf("no Group named")
		}
		path = "/Group/" + url.PathEscape(o.GroupID) + "/$export"
	default:
		return "", permanentf("level %q: want system, patient or group", o.Level)
	}
	q := url.Values{}
	if len(o.Types) > 0 {
		q.Set("_type", strings.Join(o.Types, ","))
	}
	if o.Since != "" {
		q.Set("_since", o.Since)
	}
	address := base.String() + path
	if len(q) > 0 {
		address += "?" + strings.ReplaceAll(q.Encode(), "%2C", ",")
	}
	return address, nil
}

// kickoff starts the export and returns its status URL. Only a refusal is tried again: a lost answer may have started an export that
// nobody would know of.
func (p *puller) kickoff(ctx context.Context, address string) (string, error) {
	h := http.Header{"Accept": {fhir.MediaType}, "Prefer": {"respond-async"}}
	for again := (patience{limit: p.o.Patience}); ; {
		// When ctx ends while the server answers, its answer is waited for a moment: it names the export to delete.
		lctx, release := linger(ctx, 5*time.Second)
		res, err := p.s.do(lctx, http.MethodGet, address, h, true)
		release()
		if err != nil {
			return "", fmt.Errorf("kick-off: %w", err)
		}
		if res.StatusCode == http.StatusAccepted {
			drain(res)
			u, err := p.s.resolve(res.Request.URL, res.Header.Get("Content-Location"))
			if err != nil {
				return "", permanentf("kick-off: the server accepted but named no status URL (Content-Location)")
			}
			return u.String(), nil
		}
		failure := answered(res)
		if failure.Status < 300 {
			return "", fmt.Errorf("kick-off: want 202 Accepted, got %w", failure)
		}
		if isStatus(failure, http.StatusTooManyRequests, http.StatusServiceUnavailable) {
			p.say("the server cannot start an export now (%d); trying again", failure.Status)
			if err = again.wait(ctx, failure); err == nil {
				continue
			}
			return "", fmt.Errorf("kick-off: %w", err)
		}
		return "", fmt.Errorf("kick-off: %w", failure)
	}
}

// linger returns a context that ends a while after ctx.
func linger(ctx context.Context, while time.Duration) (context.Context, func()) {
	lctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = sleep(lctx, while)
		cancel()
	})
	return lctx, func() { stop(); cancel() }
}
