package upstream

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxPause caps what an upstream may ask for; some answer with hours.
const maxPause = 10 * time.Minute

// retryAfter reads the Retry-After of an answer, in seconds or as a date. A date is judged by the upstream's own clock when the answer
// has one. ok is false when there is none that makes sense.
func retryAfter(h http.Header, now time.Time) (d time.Duration, ok bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if s != s || s < 0 { // NaN
			return 0, false
		}
		return time.Duration(min(s, maxPause.Seconds()) * float64(time.Second)), true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(0, at.Sub(now)), maxPause), true
}

// pause makes everybody wait: nothing is sent before d has passed.
func (c *Client) pause(d time.Duration) {
	until := time.Now().Add(d)
	c.counters.pauses.Add(1)
	for {
		old := c.paused.Load()
		if until.UnixNano() <= old || c.paused.CompareAndSwap(old, until.UnixNano()) {
			break
		}
	}
	c.limiter.Pause(until)
	c.o.Log.Info("upstream asked for a pause", "seconds", d.Seconds())
}

// pausedUntil is the end of the longest pause the upstream has asked this process for.
func (c *Client) pausedUntil() time.Time { return time.Unix(0, c.paused.Load()) }

// unnamedPause is how long to wait after a 429 that does not say: a second, and twice as long each time it does not help, up to
// longPause. Answers to what was sent before the last pause began do not count again.
func (c *Client) unnamedPause() time.Duration {
	if left := time.Until(c.pausedUntil()); left > 0 {
		return left
	}
	n := c.throttles.Add(1)
	return min(longPause, time.Second<<min(n-1, 10))
}
