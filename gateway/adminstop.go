package gateway

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/export"
	"sluice/storage"
)

// stopAll makes all replicas stop the work on all exports within about a second. What is read is kept; kick-offs are taken and wait.
func (g *Gateway) stopAll(c echo.Context) error {
	r := c.Request()
	if err := g.record(r.Context(), event(r, audit.Admin, audit.OK, "", "all exports stopped by the operator")); err != nil {
		return err
	}
	body := []byte(`{"since":"` + time.Now().UTC().Format(time.RFC3339) + `"}`)
	if err := storage.Put(r.Context(), g.o.Store, export.StopKey, body, storage.CreateOptions{ContentType: "application/json"}); err != nil {
		return unavailable(err)
	}
	return c.NoContent(http.StatusAccepted)
}

// goOn ends what stopAll began.
func (g *Gateway) goOn(c echo.Context) error {
	r := c.Request()
	if err := g.record(r.Context(), event(r, audit.Admin, audit.OK, "", "exports go on, by the operator")); err != nil {
		return err
	}
	if err := g.o.Store.Delete(r.Context(), export.StopKey); err != nil {
		return unavailable(err)
	}
	return c.NoContent(http.StatusAccepted)
}
