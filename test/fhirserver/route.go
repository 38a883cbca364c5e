package fhirserver

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Routes, as Request.Route and the keys of Counts.Routes.
const (
	RouteMetadata = "metadata" // GET /metadata
	RouteSearch   = "search"   // GET /Type?…, GET or POST /Type/_search: the first page
	RoutePage     = "page"     // GET ?_getpages=…: a later page
	RouteRead     = "read"     // GET /Type/id
	RouteVRead    = "vread"    // GET /Type/id/_history/v
	RouteHistory  = "history"  // GET /Type/_history, GET /Type/id/_history
	RouteCreate   = "create"   // POST /Type
	RouteUpdate   = "update"   // PUT /Type/id
	RouteDelete   = "delete"   // DELETE /Type/id
	RouteOther    = "other"    // anything else: refused
)

// maxBody bounds the bodies of forms and resources.
const maxBody = 64 << 20

// call is one request on its way through the server.
type call struct {
	Request
	path    string     // below the base, without a slash at the start
	version string     // of vread
	form    url.Values // parameters of the body
	body    []byte     // of create and update
	posted  bool       // search by POST
	stored  *search    // of a page: the search it belongs to
	refused *outcomeError
	base    string // absolute URL
}

// newCall reads a request as far as it can be known without the data.
func (s *Server) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{
		Request: Request{Method: r.Method, Header: r.Header, Query: url.Values{}, Route: RouteOther},
		base:    s.baseFor(r),
	}
	var below bool
	c.path, below = strings.CutPrefix(r.URL.Path, s.o.Base)
	if !below || c.path != "" && c.path[0] != '/' {
		c.refused = refusal(http.StatusNotFound, "Nothing here: the FHIR base is %s", s.o.Base)
		return c
	}
	c.path = strings.Trim(c.path, "/")
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		c.refused = invalid("The query of the URL is not well formed")
		return c
	}
	c.Query = query
	c.route(s)
	if c.refused == nil {
		c.readBody(w, r)
	}
	if c.refused == nil {
		c.aim(s)
	}
	return c
}

// route finds what is asked for.
func (c *call) route(s *Server) {
	parts := strings.Split(c.path, "/")
	switch {
	case c.path == "":
		if c.Query.Has("_getpages") {
			c.allow(RoutePage, http.MethodGet)
			return
		}
		c.refused = invalid("HAPI-0287: This is the base URL of FHIR server. Unable to handle this request, as it does not contain a resource type or operation name.")
		return
	case c.path == "metadata":
		c.allow(RouteMetadata, http.MethodGet)
		return
	case strings.HasPrefix(parts[0], "$") || parts[0] == "_history":
		c.refused = unhandled(c.Method, c.path, parameterNames(c.Query))
		return
	}
	types := s.servedTypes()
	if !slices.Contains(types, parts[0]) && !(c.Method == http.MethodPut || c.Method == http.MethodPost) || paramsOf(parts[0]) == nil {
		c.refused = refusal(http.StatusNotFound, "HAPI-0302: Unknown resource type '%s' - Server knows how to handle: [%s]",
			parts[0], strings.Join(types, ", "))
		return
	}
	c.Type = parts[0]
	history := !s.o.NoHistory
	switch {
	case len(parts) == 1 && c.Method == http.MethodPost:
		c.Route = RouteCreate
	case len(parts) == 1:
		c.allow(RouteSearch, http.MethodGet, http.MethodPost)
	case len(parts) == 2 && parts[1] == "_search":
		c.posted = c.Method == http.MethodPost
		c.allow(RouteSearch, http.MethodGet, http.MethodPost)
	case len(parts) == 2 && parts[1] == "_history" && history:
		c.allow(RouteHistory, http.MethodGet)
	case len(parts) == 2 && validID(parts[1]):
		c.ID = parts[1]
		c.instance()
	case len(parts) == 3 && parts[2] == "_history" && validID(parts[1]) && history:
		c.ID = parts[1]
		c.allow(RouteHistory, http.MethodGet)
	case len(parts) == 4 && parts[2] == "_history" && validID(parts[1]) && history:
		c.ID, c.version = parts[1], parts[3]
		c.allow(RouteVRead, http.MethodGet)
	default:
		c.refused = unhandled(c.Method, c.path, parameterNames(c.Query))
	}
}

func (c *call) instance() {
	switch c.Method {
	case http.MethodGet:
		c.Route = RouteRead
	case http.MethodPut:
		c.Route = RouteUpdate
	case http.MethodDelete:
		c.Route = RouteDelete
	default:
		c.refused = wrongMethod(c.Method, http.MethodGet, http.MethodPut, http.MethodDelete)
	}
}

func (c *call) allow(route string, methods ...string) {
	c.Route = route
	if !slices.Contains(methods, c.Method) {
		c.refused = wrongMethod(c.Method, methods...)
	}
}

// readBody reads what a POST or PUT brings.
func (c *call) readBody(w http.ResponseWriter, r *http.Request) {
	if c.Method != http.MethodPost && c.Method != http.MethodPut {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		c.refused = invalid("The body of the request could not be read")
		return
	}
	if c.Route != RouteSearch {
		c.body = body
		return
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if len(body) > 0 && kind != "application/x-www-form-urlencoded" {
		c.refused = refusal(http.StatusUnsupportedMediaType, "A search by POST takes application/x-www-form-urlencoded")
		return
	}
	if c.form, err = url.ParseQuery(string(body)); err != nil {
		c.refused = invalid("The form of the request is not well formed")
		return
	}
	for name, values := range c.form {
		c.Query[name] = append(c.Query[name], values...)
	}
}

// aim finds the patients and the page a search is for.
func (c *call) aim(s *Server) {
	switch c.Route {
	case RoutePage:
		if c.stored = s.searches.get(c.Query.Get("_getpages"), s.o.Clock()); c.stored != nil {
			offset, count := c.window(s)
			c.Type, c.Patients, c.Page = c.stored.table.params.name, c.stored.patients, offset/count+1
		}
	case RouteSearch:
		c.Page = 1
		c.Patients = searchedPatients(c.Type, c.Query)
	}
}

// searchedPatients are the ids a search names for its patients.
func searchedPatients(typ string, query url.Values) []string {
	names := []string{"patient", "subject", "member", "actor", "patient:Patient", "subject:Patient", "member:Patient", "actor:Patient"}
	if typ == "Patient" {
		names = []string{"_id"}
	}
	var out []string
	for _, name := range names {
		for _, value := range query[name] {
			for _, one := range splitValues(value) {
				if i := strings.LastIndexByte(one, '/'); i >= 0 {
					if before := one[:i]; before != "Patient" && !strings.HasSuffix(before, "/Patient") {
						continue
					}
					one = one[i+1:]
				}
				if one != "" && !slices.Contains(out, one) {
					out = append(out, one)
				}
			}
		}
	}
	return out
}

func parameterNames(query url.Values) []string {
	var names []string
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// servedTypes are the types that have a table, sorted.
func (s *Server) servedTypes() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	types := make([]string, 0, len(s.tables))
	for typ := range s.tables {
		types = append(types, typ)
	}
	slices.Sort(types)
	return types
}
