package fhirserver

import "net/http"

// write answers create and update: the new version, 201 for a new resource.
func (s *Server) write(c *call) (*answer, error) {
	if len(c.body) == 0 {
		return nil, invalid("HAPI-0956: No body was supplied in request")
	}
	raw, err := compact(c.body)
	if err != nil {
		return nil, invalid("HAPI-0450: Failed to parse request body as JSON resource.")
	}
	h, err := readHead(raw)
	if err != nil {
		return nil, invalid("HAPI-0450: Failed to parse request body as JSON resource. Error was: " + err.Error())
	}
	if h.typ != c.Type {
		return nil, invalid("The resource is of another type than the URL")
	}
	by := updated
	if c.Route == RouteCreate {
		by = created
		if raw, h, err = withID(raw, h, s.newID()); err != nil {
			return nil, invalid("HAPI-0450: Failed to parse request body as JSON resource.")
		}
	} else if h.id != c.ID {
		return nil, invalid("HAPI-0420: Can not update resource, resource body must contain an ID element which matches the request URL for update (PUT) operation")
	}
	v, fresh := s.put(h, raw, by, s.o.Clock())
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	a := newAnswer(status, v.appendTo(nil, c.base))
	location := c.base + "/" + h.typ + "/" + v.id + "/_history/" + v.versionID()
	a.set("ETag", `W/"`+v.versionID()+`"`)
	a.set("Content-Location", location)
	a.set("Last-Modified", httpTime(v.lastUpdated()))
	if status == http.StatusCreated {
		a.set("Location", location)
	}
	return a, nil
}

// withID gives a resource that is to be created the server's id.
func withID(raw []byte, h head, id string) ([]byte, head, error) {
	var out []byte
	if h.id != "" {
		out = append(append(append(out, raw[:h.idAt.from]...), id...), raw[h.idAt.to:]...)
	} else {
		out = append(append(append(out, `{"id":"`...), id...), `",`...)
		out = append(out, raw[1:]...)
	}
	h, err := readHead(out)
	return out, h, err
}

func (s *Server) delete(c *call) (*answer, error) {
	if !s.remove(c.Type, c.ID) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.tables[c.Type].byID[c.ID] == nil {
			return nil, unknownResource(c.Type, c.ID)
		}
	}
	return newAnswer(http.StatusOK, outcome("information", "informational", "Successfully deleted 1 resource(s).")), nil
}
