package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"
)

// maxURL bounds path and query of a request (PAR-27).
const maxURL = 16 << 10

// front is what every request passes before it meets a route: it gets an id and safe headers, one spelling of its path, and whatever
// happens behind, an answer in the language of the listener. It is the only place that recovers panics.
func (g *Gateway) front(language face, routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &exchange{id: requestID(r), remote: g.remoteAddr(r), face: language}
		if language == faceFHIR && r.URL.Path == g.tokenPath {
			x.face = faceOAuth
		}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		rec := &recorder{ResponseWriter: w}

		defer func() {
			v := recover()
			if v != nil && v != http.ErrAbortHandler {
				// Neither the value nor the URL is logged: both may hold a patient's data.
				g.o.Log.ErrorContext(r.Context(), "panic", "request", x.id, "route", x.route, "kind", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
				if rec.status == 0 {
					g.writeError(rec, r, fail(http.StatusInternalServerError, "exception", internalError))
					v = nil
				}
			}
			g.note(r, x, rec.status, time.Since(start))
			if v != nil {
				panic(http.ErrAbortHandler) // the answer was cut: the client must not take it for whole
			}
		}()

		h := rec.Header()
		h.Set("X-Request-Id", x.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		if p := g.straighten(r); p != nil {
			g.writeError(rec, r, p)
			return
		}
		routes.ServeHTTP(rec, r)
	})
}

// straighten refuses what no route should ever see and gives the request its canonical path.
func (g *Gateway) straighten(r *http.Request) *problem {
	if len(r.RequestURI) > maxURL {
		return fail(http.StatusRequestURITooLong, "too-long", "the URL is too long")
	}
	path, ok := canonicalPath(r.URL.EscapedPath())
	if !ok || r.URL.Opaque != "" {
		return notFound()
	}
	if r.Header.Get("Upgrade") != "" {
		return fail(http.StatusBadRequest, "not-supported", "protocol upgrades are not supported")
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		if r.ContentLength != 0 {
			return fail(http.StatusBadRequest, "invalid", "a body is not expected with this method")
		}
	}
	r.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery}
	return nil
}

// note tells logs and metrics of an answer; 0 means that none was sent, because the client has gone.
func (g *Gateway) note(r *http.Request, x *exchange, status int, took time.Duration) {
	route := x.route
	if route == "" {
		route = "none"
	}
	g.o.Metrics.Request(route, methodLabel(r.Method), status, took)
	if g.o.Log.Enabled(r.Context(), slog.LevelDebug) {
		g.o.Log.DebugContext(r.Context(), "request", "request", x.id, "method", methodLabel(r.Method), "route", route,
			"status", status, "client", x.client, "duration", took)
	}
}

// methodLabel keeps the number of label values bounded.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
