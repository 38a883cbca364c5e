package fhirserver

import (
	"net/http"
	"strconv"
	"strings"
)

// answer is what the server says when nothing is made to go wrong.
type answer struct {
	status int
	header http.Header
	body   []byte
	kind   string // Content-Type, "" for FHIR JSON
}

func (a *answer) set(name, value string) { a.header.Set(name, value) }

func newAnswer(status int, body []byte) *answer {
	return &answer{status: status, header: http.Header{}, body: body}
}

// answer does what is asked.
func (s *Server) answer(c *call, f *Fault) *answer {
	a, err := s.do(c, f)
	if err == nil {
		return a
	}
	refused, ok := err.(*outcomeError)
	if !ok {
		refused = refusal(http.StatusInternalServerError, "The server failed")
	}
	a = newAnswer(refused.status, refused.body())
	for name, values := range refused.header {
		a.header[name] = values
	}
	return a
}

func (s *Server) do(c *call, f *Fault) (*answer, error) {
	if c.refused != nil {
		return nil, c.refused
	}
	if !jsonWanted(c) {
		return nil, refusal(http.StatusNotAcceptable, "This server speaks application/fhir+json only")
	}
	for _, name := range f.Ignore {
		c.Query.Del(name)
	}
	switch c.Route {
	case RouteMetadata:
		return s.metadata(c)
	case RouteSearch:
		return s.search(c, f)
	case RoutePage:
		return s.page(c, f)
	case RouteRead, RouteVRead:
		return s.read(c)
	case RouteHistory:
		return s.history(c)
	case RouteCreate, RouteUpdate:
		return s.write(c)
	case RouteDelete:
		return s.delete(c)
	}
	return nil, unhandled(c.Method, c.path, parameterNames(c.Query))
}

func jsonWanted(c *call) bool {
	if format := c.Query.Get("_format"); format != "" {
		return strings.Contains(format, "json")
	}
	accept := strings.Join(c.Header.Values("Accept"), ",")
	return accept == "" || c.Type == "Binary" || strings.Contains(accept, "json") || strings.Contains(accept, "*/*") || strings.Contains(accept, "application/*")
}

// read answers a read or vread. A Binary comes as what it is, unless JSON is asked for.
func (s *Server) read(c *call) (*answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.tables[c.Type].byID[c.ID]
	if r == nil {
		return nil, unknownResource(c.Type, c.ID)
	}
	v := r.cur
	if c.version != "" {
		if v = r.find(c.version); v == nil {
			return nil, unknownVersion(c.Type, c.ID, c.version)
		}
	}
	if v.src == nil {
		return nil, goneResource(c.Type, c.ID, v.lastUpdated().Format(instant))
	}
	body := v.appendTo(nil, c.base)
	a := newAnswer(http.StatusOK, body)
	if c.Type == "Binary" && !strings.Contains(c.Query.Get("_format")+strings.Join(c.Header.Values("Accept"), ","), "json") {
		a.kind, a.body = binary(body)
	}
	a.set("ETag", `W/"`+v.versionID()+`"`)
	a.set("Content-Location", c.base+"/"+c.Type+"/"+c.ID+"/_history/"+v.versionID())
	a.set("Last-Modified", httpTime(v.lastUpdated()))
	return a, nil
}

// appendString appends a JSON string, with no more escapes than it needs.
func appendString(dst []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' && s[i] < 0x7f
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			dst = append(dst, `\u00`...)
			dst = append(dst, strconv.FormatInt(int64(r)+0x100, 16)[1:]...)
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}
