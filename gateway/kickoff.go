package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/auth"
	"sluice/bulkdata"
	"sluice/export"
	"sluice/fhir"
)

// kickOff: Bulk Data Access, Kick-off Request. 202 with the absolute status URL, or an OperationOutcome (KICK-14, KICK-15).
func (g *Gateway) kickOff(level bulkdata.Level) protected {
	return func(c echo.Context, p *auth.Principal) error {
		r := c.Request()
		spec, err := g.readKickOff(r, p, level, c.Param("id"))
		if err == nil {
			err = g.accept(r, p, spec)
		}
		if err != nil {
			g.o.Metrics.Kickoff(level, "refused")
			return err
		}
		g.o.Metrics.Kickoff(level, "accepted")
		c.Response().Header().Set("Content-Location", g.base+"/bulkstatus/"+spec.Job)
		return c.NoContent(http.StatusAccepted)
	}
}

// readKickOff decides what is asked for and whether this client may ask for it. The upstream is only asked whether the Group exists, and
// only after everything else was allowed (S4).
func (g *Gateway) readKickOff(r *http.Request, p *auth.Principal, level bulkdata.Level, group string) (*export.Spec, error) {
	if wait, ok := g.kickoffs.take(p.ClientID); !ok {
		return nil, tooMany(wait, "too many kick-offs in the last hour")
	}
	prefer := bulkdata.ParsePrefer(r.Header.Values("Prefer"))
	if err := g.kickOffHeaders(r, prefer); err != nil {
		return nil, g.refuseKickOff(r, err)
	}
	if !g.o.offers(level) {
		return nil, g.refuseKickOff(r, fail(http.StatusNotFound, "not-supported", "export at this level is not offered"))
	}
	if err := g.mayAskFor(r, p, level, group); err != nil {
		return nil, err
	}
	offered, err := g.o.Types(r.Context(), level)
	if err != nil {
		return nil, unavailable(err)
	}
	req, outcome := bulkdata.Parse(level, group, r.URL.RawQuery, prefer, bulkdata.Offer{
		Levels: g.o.Levels,
		Types:  func(bulkdata.Level) []string { return offered },
	})
	if outcome != nil {
		return nil, g.refuseKickOff(r, &problem{status: http.StatusBadRequest, outcome: outcome})
	}
	types, err := g.coveredTypes(r, p, req, offered)
	if err != nil {
		return nil, err
	}
	if exists, known := g.groupStatus(r.Context(), level, group); known && !exists {
		return nil, g.refuseKickOff(r, notFound()) // KICK-16
	}
	req.URL = g.publicURL(r)
	return &export.Spec{
		Format: export.Format, Client: p.ClientID, Scopes: p.Scopes.String(), Request: *req, Types: types,
		ID: exchangeOf(r.Context()).id,
	}, nil
}

// kickOffHeaders: Bulk Data Access, Kick-off Request, Headers: KICK-08, KICK-09.
func (g *Gateway) kickOffHeaders(r *http.Request, prefer bulkdata.Prefer) error {
	if !bulkdata.AcceptOK(strings.Join(r.Header.Values("Accept"), ",")) {
		return fail(http.StatusNotAcceptable, "not-supported", "answers are "+fhir.MediaType+"; send that as Accept")
	}
	if g.o.StrictPrefer && !prefer.RespondAsync {
		return fail(http.StatusBadRequest, "required", "send Prefer: respond-async")
	}
	return nil
}

// mayAskFor: SCP-07, SCP-08. A client that is limited to some Groups may not ask for everybody.
func (g *Gateway) mayAskFor(r *http.Request, p *auth.Principal, level bulkdata.Level, group string) error {
	switch {
	case level != bulkdata.Group && len(p.Groups) > 0:
		g.denied(r, "group", "", "export of all patients by a client that is limited to Groups")
		return fail(http.StatusForbidden, "forbidden", "this client may export its Groups only")
	case level != bulkdata.Group:
		return nil
	case !fhir.ValidID(group):
		return g.refuseKickOff(r, notFound())
	case !p.MayExportGroup(group):
		g.denied(r, "group", "", "export of a Group that the client is not allowed")
		return fail(http.StatusForbidden, "forbidden", "this client may not export this Group")
	case !g.o.GroupWithoutScope && !p.Scopes.MayReadGroup():
		g.denied(r, "scope", "", "export of a Group without a scope to read it")
		return auth.InsufficientScope("no right to read Group")
	}
	return nil
}

// coveredTypes are the types of the export: those asked for, which the scopes must all cover (SCP-05), or else all that they cover (SCP-06).
func (g *Gateway) coveredTypes(r *http.Request, p *auth.Principal, req *bulkdata.Request, offered []string) ([]string, error) {
	types := req.Types
	if types == nil {
		types = slices.DeleteFunc(slices.Clone(offered), func(t string) bool { return !p.MayExport(t) })
	}
	if len(types) == 0 || slices.ContainsFunc(types, func(t string) bool { return !p.MayExport(t) }) {
		g.denied(r, "scope", "", "kick-off for types outside the scopes")
		return nil, auth.InsufficientScope("types outside the scopes")
	}
	return types, nil
}

func (g *Gateway) groupStatus(ctx context.Context, level bulkdata.Level, group string) (exists, known bool) {
	if level != bulkdata.Group {
		return true, true
	}
	return g.o.Upstream.GroupStatus(ctx, group)
}

// publicURL is the URL of a request as the client knows it, for the manifest (MAN-02).
func (g *Gateway) publicURL(r *http.Request) string {
	u := g.base + strings.TrimPrefix(r.URL.Path, g.path)
	if r.URL.RawQuery != "" {
		u += "?" + r.URL.RawQuery
	}
	return u
}

// refuseKickOff notes a refusal that is nobody's lack of a right, and returns it.
func (g *Gateway) refuseKickOff(r *http.Request, err error) error {
	e := event(r, audit.Kickoff, audit.Refused, "", "")
	var p *problem
	if errors.As(err, &p) {
		e.Fields = map[string]any{"status": p.status}
	}
	g.afterwards(r.Context(), e)
	return err
}
