package gateway

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/fhir"
)

// smartConfiguration: SMART App Launch 2.2, Conformance. Open to everybody and from every page, whatever Accept says.
func (g *Gateway) smartConfiguration(c echo.Context) error {
	openToAll(c)
	return c.JSON(http.StatusOK, auth.Discovery(g.o.TokenURL, g.o.Scopes))
}

// capabilities: FHIR R4, capabilities interaction, with what we add.
func (g *Gateway) capabilities(c echo.Context) error {
	openToAll(c)
	statement, err := g.statement(c.Request().Context())
	if err != nil {
		return unavailable(err)
	}
	return c.Blob(http.StatusOK, fhir.MediaType, statement)
}

// preflight: DISC-14, scripts of any origin may read the two discovery documents, and nothing else.
func preflight(c echo.Context) error {
	openToAll(c)
	c.Response().Header().Set("Access-Control-Allow-Methods", "GET, HEAD")
	c.Response().Header().Set("Access-Control-Allow-Headers", "Accept")
	return c.NoContent(http.StatusNoContent)
}

func openToAll(c echo.Context) { c.Response().Header().Set("Access-Control-Allow-Origin", "*") }
