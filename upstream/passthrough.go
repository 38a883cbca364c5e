package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"time"

	"sluice/fhir"
)

// reserveWait is how long a pass-through request waits for a place.
const reserveWait = 5 * time.Second

// RoundTripper returns what pass-through requests are sent with. It goes only to the base, signs, and adds the fixed headers. It has
// its own reserve of places beside those of the exports and does not wait for the rate limit, though it counts: exports make room.
// Nothing is retried, no redirect followed. While the upstream has asked for a pause, or when no place comes free, the answer is our
// own 503 with Retry-After.
func (c *Client) RoundTripper() http.RoundTripper { return passthrough{c} }

type passthrough struct{ c *Client }

func (p passthrough) RoundTrip(in *http.Request) (*http.Response, error) {
	c := p.c
	if left := time.Until(c.pausedUntil()); left > 0 {
		return busy(in, left), nil
	}
	wait, cancel := context.WithTimeout(in.Context(), reserveWait)
	err := c.reserve.acquire(wait)
	cancel()
	switch {
	case err == nil:
	case in.Context().Err() != nil:
		closeBody(in)
		return nil, in.Context().Err()
	default:
		return busy(in, time.Second), nil
	}
	c.take()

	r := in.Clone(in.Context())
	r.Host = ""
	for _, h := range []string{"Authorization", "Proxy-Authorization", "Cookie"} { // ours come from the transport
		r.Header.Del(h)
	}
	c.setHeaders(r.Header)
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		c.reserve.release()
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if d, ok := retryAfter(resp.Header, time.Now()); ok && d > 0 {
			c.pause(d)
		}
	}
	resp.Body = released(resp.Body, c.reserve.release)
	return resp, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

// busy is our own answer in place of the upstream's.
func busy(r *http.Request, wait time.Duration) *http.Response {
	closeBody(r)
	text, _ := json.Marshal(fhir.NewOutcome("error", "throttled", "the server behind this one asked for a pause"))
	return &http.Response{
		Status: "503 Service Unavailable", StatusCode: http.StatusServiceUnavailable,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{
			"Content-Type": {fhir.MediaType},
			"Retry-After":  {fmt.Sprint(max(1, math.Ceil(wait.Seconds())))},
		},
		Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)),
	}
}

// released calls done once, when the body is closed. A body that can be written, after a switch of protocols, stays so.
func released(b io.ReadCloser, done func()) io.ReadCloser {
	rel := &releasing{ReadCloser: b, done: sync.OnceFunc(done)}
	if w, ok := b.(io.ReadWriteCloser); ok {
		return struct {
			*releasing
			io.Writer
		}{rel, w}
	}
	return rel
}

type releasing struct {
	io.ReadCloser
	done func()
}

func (r *releasing) Close() error {
	defer r.done()
	return r.ReadCloser.Close()
}
