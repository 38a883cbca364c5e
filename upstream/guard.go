package upstream

import (
	"errors"
	"fmt"
	"net/http"
)

// guard is the last wall before the signing transport: nothing goes anywhere but to the base. It also counts.
type guard struct {
	base     base
	next     http.RoundTripper
	counters *counters
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if !g.base.holds(r.URL) || r.Host != "" && r.Host != r.URL.Host {
		if r.Body != nil {
			r.Body.Close()
		}
		g.counters.refused.Add(1)
		return nil, fmt.Errorf("request %w", errElsewhere)
	}
	resp, err := g.next.RoundTrip(r)
	switch {
	case err != nil:
		g.counters.answers[0].Add(1)
	case resp.StatusCode == http.StatusTooManyRequests:
		g.counters.throttled.Add(1)
	default:
		g.counters.answers[min(max(resp.StatusCode/100, 0), 5)].Add(1)
	}
	return resp, err
}

// maxRedirects bounds how many redirects are followed for one request.
const maxRedirects = 3

var errTooManyRedirects = errors.New("too many redirects")

// checkRedirect follows redirects only inside the base. Go's own client would keep Authorization when only the port changes, and the
// transport signs whatever it is given.
func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return errTooManyRedirects
	case r.Method != http.MethodGet && r.Method != http.MethodHead, !c.base.holds(r.URL):
		c.counters.refused.Add(1)
		return fmt.Errorf("redirect %w: %s", errElsewhere, safeAuthority(r.URL))
	}
	r.Header.Del("Referer") // it would carry the query
	return nil
}
