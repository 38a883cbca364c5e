package fhirserver

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// history answers the history of a type or of one resource, newest first. It is
// paged by _offset, and total counts all of it.
func (s *Server) history(c *call) (*answer, error) {
	for _, name := range parameterNames(c.Query) {
		if !slices.Contains([]string{"_since", "_count", "_offset", "_format", "_pretty"}, name) {
			return nil, unhandled(c.Method, c.path, parameterNames(c.Query))
		}
	}
	since := int64(-1 << 62)
	if value := c.Query.Get("_since"); value != "" {
		r, err := parseDate(value)
		if err != nil {
			return nil, err
		}
		since = r.from
	}
	count := s.o.DefaultCount
	if value := c.Query.Get("_count"); value != "" {
		var err error
		if count, err = s.parseCount(value); err != nil {
			return nil, err
		}
	}
	offset, err := strconv.Atoi(c.Query.Get("_offset"))
	if err != nil || offset < 0 {
		offset = 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	versions, err := s.versions(c.Type, c.ID, since)
	if err != nil {
		return nil, err
	}
	found := &search{id: s.newID(), at: s.o.Clock().UTC()}
	body := appendTotal(appendHead(nil, found, "", "history"), int64(len(versions)))
	end := min(offset+count, len(versions))
	body = appendLinks(body, historyLinks(c, offset, count, end, len(versions)))
	body = appendVersions(body, c, versions[min(offset, end):end])
	a := bundleAnswer(append(body, '}'), found.at)
	a.set("Content-Location", c.base+"/Bundle/"+found.id)
	return a, nil
}

// versions are those of a type, or of one resource, newest first.
func (s *Server) versions(typ, id string, since int64) ([]*version, error) {
	t := s.tables[typ]
	rows := t.rows
	if id != "" {
		r := t.byID[id]
		if r == nil {
			return nil, unknownResource(typ, id)
		}
		rows = []*row{r}
	}
	var out []*version
	for _, r := range rows {
		for _, v := range r.older {
			if v.updated >= since {
				out = append(out, v)
			}
		}
		if r.cur.updated >= since {
			out = append(out, r.cur)
		}
	}
	slices.Reverse(out)
	slices.SortStableFunc(out, func(a, b *version) int { return cmp.Compare(b.updated, a.updated) })
	return out, nil
}

func historyLinks(c *call, offset, count, end, all int) []Link {
	links := []Link{{"self", selfLink(c)}}
	at := func(offset int) string {
		query := url.Values{"_count": {strconv.Itoa(count)}, "_offset": {strconv.Itoa(offset)}}
		if since := c.Query.Get("_since"); since != "" {
			query.Set("_since", since)
		}
		return c.base + "/" + c.path + "?" + query.Encode()
	}
	if end < all && count > 0 {
		links = append(links, Link{"next", at(end)})
	}
	if offset > 0 {
		links = append(links, Link{"previous", at(max(0, offset-count))})
	}
	return links
}

func appendVersions(dst []byte, c *call, versions []*version) []byte {
	for i, v := range versions {
		if i == 0 {
			dst = append(dst, `,"entry":[`...)
		} else {
			dst = append(dst, ',')
		}
		id := c.Type + "/" + v.id
		dst = append(dst, `{"fullUrl":`...)
		dst = appendString(dst, c.base+"/"+id)
		if v.src != nil {
			dst = v.appendTo(append(dst, `,"resource":`...), c.base)
		}
		name, status := "PUT", "200 OK"
		switch {
		case v.method == deleted:
			name = http.MethodDelete
		case v.number == 1:
			name, status = http.MethodPost, "201 Created"
		}
		dst = append(dst, `,"request":{"method":"`+name+`","url":`...)
		dst = appendString(dst, id+"/_history/"+v.versionID())
		dst = append(dst, `},"response":{"status":"`+status+`","etag":`...)
		dst = append(appendString(dst, `W/"`+v.versionID()+`"`), `}}`...)
	}
	if len(versions) > 0 {
		dst = append(dst, ']')
	}
	return dst
}
