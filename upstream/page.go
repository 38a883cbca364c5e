package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"sluice/fhir"
)

// errQuery refuses the zero Query.
var errQuery = errors.New("upstream: search without patients, ids or type")

// Page reads one page of the search q into sink: the first one when next is "", else the one that the cursor next leads to. Cursors
// come from Page.Next and stay good across processes.
//
// Each attempt calls sink.Reset first. When Page returns an error, what the sink got is not a page: forget it. An error of the sink
// is returned as it is and not retried, unless it is a *fhir.SyntaxError, which is the page's fault. The time-out of the page does
// not run while the sink works.
func (c *Client) Page(ctx context.Context, q fhir.Query, next string, sink fhir.PageSink) (fhir.Page, error) {
	if !q.Valid() {
		return fhir.Page{}, errQuery
	}
	x := exchange{op: "search " + q.Type(), strict: true, next: next != "", single: q.IsOnce()}
	if next == "" {
		x.url = c.base.String() + "/" + q.Type()
		if enc := q.Encode(); enc != "" {
			x.url += "?" + enc
		}
	} else {
		u, err := c.urlOf(next)
		if err != nil {
			c.counters.refused.Add(1)
			return fhir.Page{}, &Error{Op: x.op, code: "security", reason: err.Error(), kind: permanent, healthy: true}
		}
		x.url = u.String()
	}

	var page fhir.Page
	x.handle = func(resp *http.Response, b *body) error {
		r := fhir.NewBundleReader(b, fhir.BundleOptions{MaxResource: c.o.MaxResource, MaxEntries: c.o.MaxEntries})
		page = fhir.Page{}
		for {
			e, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			page.Entries++
			if err := sink.Entry(e); err != nil {
				return err
			}
		}
		return c.finishPage(&page, q, next == "", resp.Request.URL, r.Bundle(), x.op, resp.StatusCode)
	}
	if err := c.do(ctx, x, sink.Reset); err != nil {
		return fhir.Page{}, err
	}
	if next == "" {
		c.health.remember(q.Type(), x.url)
	}
	return page, nil
}

// finishPage reads what the Bundle says besides its entries.
func (c *Client) finishPage(page *fhir.Page, q fhir.Query, first bool, request *url.URL, b fhir.Bundle, op string, status int) error {
	page.Self, page.Total = b.Link("self"), b.Total
	if first {
		page.Dropped = dropped(q, page.Self)
	}
	link := b.Link("next")
	if link == "" {
		return nil
	}
	cursor, err := c.cursorOf(request, link)
	if err != nil {
		c.counters.refused.Add(1)
		e := &Error{Op: op, code: "security", reason: err.Error(), kind: permanent, healthy: true, cause: err}
		if errors.Is(err, errElsewhere) {
			e.hint = "if that is the upstream too, add it to upstream.base_aliases"
		}
		return e
	}
	page.Next = cursor
	return nil
}

// dropped returns the parameters of q that the self link does not show: the server ignored them (FHIR, Search, Server Conformance:
// the self link says what was actually used). A self link that is not written as a search of the type says nothing. _count does not
// choose rows and is left out.
func dropped(q fhir.Query, self string) []string {
	u, err := url.Parse(self)
	if self == "" || err != nil {
		return nil
	}
	path := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/_search")
	if path != q.Type() && !strings.HasSuffix(path, "/"+q.Type()) {
		return nil
	}
	shown := map[string]bool{}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil {
			shown[bare(name)] = true
		}
	}
	var missing []string
	for _, p := range q.Params() {
		if name := bare(p.Name); name != "_count" && !shown[name] {
			missing = append(missing, p.Name)
		}
	}
	return missing
}

// bare drops the modifier of a parameter name.
func bare(name string) string {
	name, _, _ = strings.Cut(name, ":")
	return name
}
