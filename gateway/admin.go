package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/storage"
)

// operator lets a handler of the admin listener run only for the operator: who knows the admin token, or, where none is set, who came
// by an address of this machine or a literal address. (A page of the web that has bound its name to our address comes by its name.)
func (g *Gateway) operator(h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if g.o.AdminToken == "" {
			if !literalHost(r.Host) {
				return fail(http.StatusForbidden, "forbidden", "without server.admin_token_file, use an IP address or localhost")
			}
			return h(c)
		}
		_, given, ok := r.BasicAuth()
		if bearer, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found {
			given, ok = bearer, true
		}
		want, got := sha256.Sum256([]byte(g.o.AdminToken)), sha256.Sum256([]byte(given))
		if !ok || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return fail(http.StatusUnauthorized, "login", "the admin token is needed").with("WWW-Authenticate", `Basic realm="Sluice", charset="UTF-8"`)
		}
		return h(c)
	}
}

func literalHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

// healthz says that this process answers.
func (g *Gateway) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// metrics is the handler that was given to us.
func (g *Gateway) metrics(c echo.Context) error {
	if g.o.MetricsHandler == nil {
		return notFound()
	}
	g.o.MetricsHandler.ServeHTTP(c.Response(), c.Request())
	return nil
}

// Check is the state of one thing that the gateway needs.
type Check struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// readyFor is how long one check may take.
const readyFor = 3 * time.Second

// checks asks everything that the gateway needs, at the same time.
func (g *Gateway) checks(ctx context.Context) (map[string]Check, bool) {
	ask := map[string]func(context.Context) error{
		"upstream": g.o.Upstream.Ready,
		"redis":    g.o.Jobs.Ping,
		"storage": func(ctx context.Context) error {
			if _, err := g.o.Store.Stat(ctx, "system/ready"); !errors.Is(err, storage.ErrNotExist) {
				return err
			}
			return nil
		},
		"audit": func(context.Context) error { return g.o.Audit.Ready() },
	}
	ctx, cancel := context.WithTimeout(ctx, readyFor)
	defer cancel()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		ready = true
		got   = map[string]Check{}
	)
	for name, f := range ask {
		wg.Go(func() {
			err := f(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				got[name] = Check{OK: true}
				return
			}
			got[name], ready = Check{Error: withoutURL(err).Error()}, false
		})
	}
	wg.Wait()
	return got, ready
}

// readyz says whether requests can be served: 200 or 503, with each thing's state.
func (g *Gateway) readyz(c echo.Context) error {
	checks, ready := g.checks(c.Request().Context())
	status, word := http.StatusOK, "ready"
	if !ready {
		status, word = http.StatusServiceUnavailable, "not ready"
	}
	return c.JSON(status, map[string]any{"status": word, "checks": checks})
}
