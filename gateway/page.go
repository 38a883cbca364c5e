package gateway

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/jobs"
)

//go:embed page
var assets embed.FS

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"age": age, "number": number, "percent": percent, "short": func(id string) string { return id[:min(8, len(id))] },
	"ended": jobs.State.Ended,
}).ParseFS(assets, "page/page.html"))

// pageView is what the status page shows.
type pageView struct {
	Version  string
	Base     string
	Upstream string
	Now      time.Time
	Ready    bool
	Checks   map[string]Check
	Facts    []Fact
	Jobs     []JobView
	Problem  string // why there is no list
}

// page is the operator's page: what is going on, without patient data, and readable without scripts.
func (g *Gateway) page(c echo.Context) error {
	ctx := c.Request().Context()
	v := pageView{Version: g.o.Version, Base: g.base, Upstream: g.bases[0], Now: time.Now()}
	v.Checks, v.Ready = g.checks(ctx)
	if g.o.Facts != nil {
		v.Facts = g.o.Facts()
	}
	var err error
	if v.Jobs, err = g.views(ctx); err != nil {
		v.Problem = "The list of exports is not available: Redis does not answer. Exports are safe in storage."
	}
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, v); err != nil {
		return fmt.Errorf("status page: %w", err)
	}
	c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	return c.HTMLBlob(http.StatusOK, body.Bytes())
}

// asset serves one file of the page.
func asset(name, mediaType string) echo.HandlerFunc {
	return func(c echo.Context) error {
		body, err := assets.ReadFile("page/" + name)
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, mediaType, body)
	}
}

// age says how long ago t was, in the largest unit that fits.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	d := max(0, now.Sub(t))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// number groups digits by thin spaces.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	var groups []string
	for len(s) > 3 {
		groups = append([]string{s[len(s)-3:]}, groups...)
		s = s[:len(s)-3]
	}
	return strings.Join(append([]string{s}, groups...), "\u202f")
}

// percent is the progress of an export; an export that is not planned yet has none.
func percent(v JobView) int {
	switch {
	case v.State == jobs.Complete:
		return 100
	case v.Total == 0:
		return 0
	}
	return int(min(100, 100*v.Done/v.Total))
}
