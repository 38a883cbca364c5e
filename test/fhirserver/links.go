package fhirserver

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// selfLink is the request with its parameters sorted; those of a POST are left out.
func selfLink(c *call) string {
	if c.Route == RoutePage {
		return c.base + pageQuery(c.Query)
	}
	link := c.base + "/" + c.path
	if c.posted {
		return link
	}
	for i, name := range parameterNames(c.Query) {
		for j, value := range c.Query[name] {
			sep := "&"
			if i == 0 && j == 0 {
				sep = "?"
			}
			link += sep + escape(name) + "=" + escape(value)
		}
	}
	return link
}

// pageQuery keeps the parameters of a page link in the order HAPI writes them.
func pageQuery(query url.Values) string {
	out := ""
	for _, name := range []string{"_getpages", "_getpagesoffset", "_count", "_format", "_pretty", "_bundletype", "_elements"} {
		if value := query.Get(name); value != "" {
			out += "&" + name + "=" + value
		}
	}
	return "?" + strings.TrimPrefix(out, "&")
}

// pageLink names the stored search and nothing of what was searched for.
func pageLink(c *call, found *search, offset int, at pageAt) string {
	elements := slices.Clone(at.elements)
	slices.Sort(elements)
	return c.base + pageQuery(url.Values{
		"_getpages":       {found.id},
		"_getpagesoffset": {strconv.Itoa(offset)},
		"_count":          {strconv.Itoa(at.count)},
		"_format":         {escape(c.Query.Get("_format"))},
		"_pretty":         {escape(c.Query.Get("_pretty"))},
		"_bundletype":     {"searchset"},
		"_elements":       {strings.Join(elements, ",")},
	})
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
