package gateway

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/bulkdata"
)

// publicRoutes lists what clients can reach, top to bottom. Whatever begins like a route of ours never falls to the pass-through:
// other methods get 405.
func (g *Gateway) publicRoutes() http.Handler {
	e := g.newEcho()
	b := g.path

	// SMART App Launch 2.2, Conformance: DISC-03.
	g.handle(e, b+"/.well-known/smart-configuration", methods{"GET": g.smartConfiguration, "HEAD": g.smartConfiguration, "OPTIONS": preflight})
	// FHIR R4, capabilities; Bulk Data Access, Server Capability Documentation: DISC-08 to DISC-11.
	g.handle(e, b+"/metadata", methods{"GET": g.capabilities, "HEAD": g.capabilities, "OPTIONS": preflight})

	// SMART App Launch 2.2, Backend Services: TOK-15 to TOK-22.
	if g.o.Tokens != nil {
		g.handle(e, g.tokenPath, methods{"POST": g.accessToken})
	}

	// Bulk Data Access, Kick-off Request: KICK-01 to KICK-03.
	g.handle(e, b+"/$export", methods{"GET": g.token(g.kickOff(bulkdata.System))}, onlyByGET)
	g.handle(e, b+"/Patient/$export", methods{"GET": g.token(g.kickOff(bulkdata.Patient))}, onlyByGET)
	g.handle(e, b+"/Group/:id/$export", methods{"GET": g.token(g.kickOff(bulkdata.Group))}, onlyByGET)

	// Bulk Data Access, Status Request and Delete Request: STAT, DEL.
	g.handle(e, b+"/bulkstatus/:job", methods{"GET": g.token(g.status), "DELETE": g.token(g.remove)})
	// Bulk Data Access, Output File Request: FILE.
	g.handle(e, b+"/bulkfiles/:job/:name", methods{"GET": g.token(g.file), "HEAD": g.token(g.file)})

	// Everything else under the base: DISC-12, DISC-15.
	e.Any(b, g.passThrough)
	e.Any(b+"/*", g.passThrough)
	return e
}

// adminRoutes lists what the operator can reach.
func (g *Gateway) adminRoutes() http.Handler {
	e := g.newEcho()

	e.GET("/healthz", g.healthz) // this process answers
	e.GET("/readyz", g.readyz)   // and so does everything it needs
	e.GET("/metrics", g.metrics) // Prometheus

	e.GET("/jobs", g.operator(g.listJobs))
	e.GET("/jobs/:id", g.operator(g.showJob))
	e.DELETE("/jobs/:id", g.operator(g.cancelJob))
	e.POST("/jobs/:id/retry", g.operator(g.retryJob))
	e.PUT("/stop", g.operator(g.stopAll))
	e.DELETE("/stop", g.operator(g.goOn))

	e.GET("/", g.operator(g.page))
	e.GET("/page.css", asset("page.css", "text/css; charset=utf-8"))
	e.GET("/page.js", asset("page.js", "text/javascript; charset=utf-8"))
	return e
}

// methods are the handlers of one path.
type methods map[string]echo.HandlerFunc

// onlyByGET is what a kick-off by another method hears (KICK-04 is optional in V2 and V3).
const onlyByGET = "an export is asked for by GET, with the parameters in the query; kick-off by POST is not offered yet"

// handle registers a path; methods that are not listed get 405 with Allow (KICK-07), and hint in place of the usual words.
func (g *Gateway) handle(e *echo.Echo, path string, m methods, hint ...string) {
	allow := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	text := append(hint, "this method is not supported here")[0]
	refuse := func(c echo.Context) error {
		return fail(http.StatusMethodNotAllowed, "not-supported", text).with("Allow", allow)
	}
	e.Any(path, refuse)
	for method, h := range m {
		e.Add(method, path, h)
	}
}

// newEcho is an echo that only routes: errors, panics, headers and logs are ours.
func (g *Gateway) newEcho() *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		g.writeError(c.Response().Writer, c.Request(), err)
	}
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			exchangeOf(c.Request().Context()).route = c.Path()
			return next(c)
		}
	})
	return e
}
