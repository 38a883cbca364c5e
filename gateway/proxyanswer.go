package gateway

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sluice/bulkdata"
	"sluice/fhir"
)

// fromUpstream are the headers of the upstream that a client gets; cookies, its server's name and its challenges stay here.
var keptFromUpstream = []string{"Etag", "Last-Modified", "Location", "Content-Location", "Retry-After", "Content-Length"}

// fromUpstream makes the upstream's answer ours: JSON only, allowed headers only, our base in the links. An error that it returns
// becomes the answer.
func (g *Gateway) fromUpstream(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusProxyAuthRequired:
		p := fail(http.StatusBadGateway, "exception", "the FHIR server behind this one refuses the credentials of this one")
		return p
	case resp.StatusCode < 200 || resp.Header.Get("Content-Encoding") != "":
		return fail(http.StatusBadGateway, "exception", "the FHIR server behind this one gave an answer that cannot be used")
	}
	kept := http.Header{}
	for _, name := range keptFromUpstream {
		if values := resp.Header.Values(name); len(values) == 1 {
			kept.Set(name, values[0])
		}
	}
	for _, name := range []string{"Location", "Content-Location"} {
		if target := kept.Get(name); target != "" {
			kept.Del(name)
			if public, ok := g.publicLocation(target); ok {
				kept.Set(name, public)
			}
		}
	}
	redirect := resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified
	if redirect && kept.Get("Location") == "" {
		return fail(http.StatusBadGateway, "exception", "the FHIR server behind this one points elsewhere")
	}
	if resp.ContentLength != 0 && resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotModified {
		if !isJSON(resp.Header.Get("Content-Type")) {
			return notJSON(resp)
		}
		kept.Set("Content-Type", fhir.MediaType)
		kept.Del("Content-Length") // the links get another length
		resp.ContentLength = -1
		resp.Body = newLinkRewriter(resp.Body, g.bases, g.base)
	}
	resp.Header, resp.Trailer = kept, nil
	return nil
}

// notJSON replaces an answer whose body we do not pass on: a proxy's error page, XML, HTML.
func notJSON(resp *http.Response) error {
	if resp.StatusCode < 400 {
		return fail(http.StatusBadGateway, "exception", "the FHIR server behind this one did not answer in JSON")
	}
	code := "exception"
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		code = "not-found"
	case resp.StatusCode == http.StatusTooManyRequests:
		code = "throttled"
	case resp.StatusCode < 500:
		code = "invalid"
	}
	p := fail(resp.StatusCode, code, "the FHIR server behind this one answered with an error")
	if wait, ok := bulkdata.ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
		p.retry(wait)
	}
	return p
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && slices.Contains([]string{fhir.MediaType, "application/json", "application/json+fhir"}, media)
}

// basesOf are the addresses under which the upstream may name itself, without a slash at the end; its own first. An Upstream that has
// aliases says so by a method Bases.
func basesOf(u Upstream) []string {
	bases := []string{u.BaseURL().String()}
	if more, ok := u.(interface{ Bases() []string }); ok {
		bases = append(bases, more.Bases()...)
	}
	for i := range bases {
		bases[i] = strings.TrimSuffix(bases[i], "/")
	}
	return bases
}

// publicLocation puts our base in place of the upstream's; false when the address is elsewhere.
func (g *Gateway) publicLocation(target string) (string, bool) {
	if u, err := url.Parse(target); err != nil || u.User != nil {
		return "", false
	}
	return rebase(target, g.bases, g.base)
}

// rebase replaces one of the bases at the beginning of a URL, and only the whole base: "http://a/fhir" is none of "http://a/fhirs" (J101).
func rebase(s string, from []string, to string) (string, bool) {
	for _, base := range from {
		rest, ok := strings.CutPrefix(s, base)
		if ok && (rest == "" || strings.ContainsRune("/?#", rune(rest[0]))) {
			return to + rest, true
		}
	}
	return "", false
}
