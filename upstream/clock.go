package upstream

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Clock returns the upstream's own time, cut to whole seconds: the Date of an answer to a small question, any answer. An upstream
// that sends no Date has ours.
func (c *Client) Clock(ctx context.Context) (time.Time, error) {
	var date string
	err := c.do(ctx, exchange{op: "read the clock", url: c.base.String() + probePath, handle: discard,
		saw: func(h http.Header) { date = h.Get("Date") }}, func() { date = "" })
	if e, ok := errors.AsType[*Error](err); err != nil && !(ok && e.kind == permanent && date != "") {
		return time.Time{}, err
	}
	if t, err := http.ParseTime(date); err == nil {
		return t.UTC(), nil
	}
	c.o.Log.WarnContext(ctx, "upstream sends no Date header, our own clock is used")
	return time.Now().UTC().Truncate(time.Second), nil
}
