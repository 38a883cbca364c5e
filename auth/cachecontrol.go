package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// How long a key set may be kept.
const (
	maxFresh     = time.Hour        // whatever the client says
	defaultFresh = 5 * time.Minute  // when the client says nothing
	maxStale     = 10 * time.Minute // past that, while its server is down, if the client lets us
)

// lifetimes says how long an answer is fresh, and how much longer it may be used while its server is down (RFC 9111, RFC 5861).
// SMART: a key set is never kept longer than the client's Cache-Control allows; what cannot be read counts as "not at all".
func lifetimes(h http.Header, now time.Time) (fresh, stale time.Duration) {
	fresh, stale = -1, 0
	said := false
	for part := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "":
			continue
		case "no-store", "no-cache":
			return 0, 0
		case "max-age":
			if d := seconds(value); fresh < 0 || d < fresh {
				fresh = d
			}
		case "stale-if-error":
			stale = min(seconds(value), maxStale)
		}
		said = true
	}
	if fresh < 0 && h.Get("Expires") != "" {
		said, fresh = true, 0
		if t, err := http.ParseTime(h.Get("Expires")); err == nil {
			fresh = max(t.Sub(now), 0)
		}
	}
	if fresh < 0 {
		fresh = defaultFresh
		if !said {
			stale = maxStale
		}
	}
	if age := h.Get("Age"); age != "" {
		fresh = max(fresh-seconds(age), 0)
	}
	return min(fresh, maxFresh), stale
}

// seconds reads a delta-seconds value; 0 for what is none, and no more than a day.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) || err == nil && n > 86400 {
		n, err = 86400, nil
	}
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// withoutURL drops the URL that net/http puts into its errors.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
