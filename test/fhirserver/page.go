package fhirserver

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// subsetted is the tag of what is not whole.
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"Resource encoded in summary mode"}`

// search answers the first page of a search.
func (s *Server) search(c *call, f *Fault) (*answer, error) {
	found, q, hit, err := s.find(c)
	if err != nil {
		return nil, err
	}
	if q.onlyHow {
		return bundleAnswer(appendCount(nil, found), found.at), nil
	}
	a := s.answerPage(c, f, found, pageAt{offset: 0, count: q.count, elements: q.elements, self: selfLink(c)})
	if hit {
		a.set("X-Cache", "HIT from "+c.base)
	}
	return a, nil
}

// find runs a search and stores it, or takes the stored one when such are used again.
func (s *Server) find(c *call) (found *search, q *query, hit bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	q, err = s.parseQuery(s.tables[c.Type], c.Query, c.base)
	if err != nil {
		return nil, nil, false, err
	}
	key, now := c.Type+"?"+searchKey(c.Query), s.o.Clock().UTC()
	if found := s.searches.again(key, now); found != nil {
		return found, q, true, nil
	}
	found = &search{
		id: s.newID(), key: key, at: now, table: q.table, rows: s.run(q),
		patients: c.Patients, total: q.total, revInclude: q.rev, includes: q.includes,
	}
	if !q.onlyHow {
		s.searches.put(found)
	}
	return found, q, false, nil
}

// searchKey leaves out what does not change which rows are found.
func searchKey(query url.Values) string {
	key := url.Values{}
	for name, values := range query {
		if !slices.Contains([]string{"_count", "_elements", "_format", "_pretty", "_summary"}, name) {
			key[name] = values
		}
	}
	return key.Encode()
}

// page answers a later page.
func (s *Server) page(c *call, f *Fault) (*answer, error) {
	if c.stored == nil {
		return nil, expiredSearch(c.Query.Get("_getpages"))
	}
	at := pageAt{self: selfLink(c)}
	at.offset, at.count = c.window(s)
	if elements := c.Query.Get("_elements"); elements != "" {
		at.elements = splitValues(elements)
	}
	a := s.answerPage(c, f, c.stored, at)
	a.set("Content-Location", c.base+"/Bundle/"+c.stored.id)
	return a, nil
}

// window is the offset and size a page link asks for.
func (c *call) window(s *Server) (offset, count int) {
	offset, err := strconv.Atoi(c.Query.Get("_getpagesoffset"))
	if err != nil || offset < 0 {
		offset = 0
	}
	count, err = strconv.Atoi(c.Query.Get("_count"))
	if err != nil || count < 1 {
		count = s.o.DefaultCount
	}
	return offset, min(count, s.o.MaxCount)
}

// pageAt is which part of a search is shown, and how.
type pageAt struct {
	offset, count int
	elements      []string
	self          string
}

// answerPage makes a page, lets the fault at it, and writes it.
func (s *Server) answerPage(c *call, f *Fault, found *search, at pageAt) *answer {
	if f.Count > 0 {
		at.count = f.Count
	}
	p := s.newPage(c, f, found, at)
	if f.RewriteNext != nil {
		p.rewriteNext(f.RewriteNext)
	}
	if f.Edit != nil {
		f.Edit(p)
	}
	size := 1024
	for _, e := range p.Entries {
		size += len(e.Resource) + len(e.FullURL) + 64
	}
	return bundleAnswer(p.appendTo(make([]byte, 0, size), found), found.at)
}

func bundleAnswer(body []byte, at time.Time) *answer {
	a := newAnswer(http.StatusOK, body)
	a.set("Last-Modified", httpTime(at))
	return a
}

// rewriteNext changes the next link, or takes it away.
func (p *Page) rewriteNext(f func(string) string) {
	for i, l := range p.Links {
		if l.Relation != "next" {
			continue
		}
		if p.Links[i].URL = f(l.URL); p.Links[i].URL == "" {
			p.Links = slices.Delete(p.Links, i, i+1)
		}
		return
	}
}

// newPage makes the page of a search before it is written.
func (s *Server) newPage(c *call, f *Fault, found *search, at pageAt) *Page {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := &Page{Type: found.table.params.name, Number: c.Page, First: at.offset, Matches: len(found.rows)}
	p.Links = []Link{{"self", at.self}}
	rows := found.rows
	if f.Shuffle {
		rows = shuffled(rows, c.N)
	}
	from := min(at.offset, len(rows))
	to := min(from+at.count, len(rows))
	if to < len(rows) {
		p.Links = append(p.Links, Link{"next", pageLink(c, found, to, at)})
	}
	if at.offset > 0 {
		p.Links = append(p.Links, Link{"previous", pageLink(c, found, max(0, at.offset-at.count), at)})
	}
	if found.total || len(rows) == 0 {
		total := int64(len(rows))
		p.Total = &total
	}
	shown := map[ref]bool{}
	rows = rows[from:min(to+f.Overlap, len(rows))]
	for _, r := range rows {
		if r.live() {
			shown[ref{p.Type, r.cur.id}] = true
			p.Entries = append(p.Entries, entryOf(found.table, r, "match", c.base, at.elements))
		}
	}
	s.addIncluded(p, found, rows, shown, c.base)
	return p
}

// shuffled is another order of the rows, the same for the same seed.
func shuffled(rows []*row, seed int64) []*row {
	rows = slices.Clone(rows)
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

// addIncluded adds what _include and _revinclude bring along, each once a page.
func (s *Server) addIncluded(p *Page, found *search, rows []*row, shown map[ref]bool, base string) {
	add := func(typ string, r *row) {
		if r.live() && !shown[ref{typ, r.cur.id}] {
			shown[ref{typ, r.cur.id}] = true
			p.Entries = append(p.Entries, entryOf(s.tables[typ], r, "include", base, nil))
		}
	}
	var text []byte
	for _, r := range rows {
		if !r.live() {
			continue
		}
		for _, in := range found.includes {
			text = r.cur.appendTo(text[:0], base)
			in.param.references(text, base, func(typ, id string) {
				if t := s.tables[typ]; t.has(id) && (in.target == "" || in.target == typ) {
					add(typ, t.byID[id])
				}
			})
		}
		if found.revInclude {
			for _, r := range s.provenanceOf(found.table.params.name, r.cur.id, base) {
				add("Provenance", r)
			}
		}
	}
}

// provenanceOf are the Provenance rows with this target.
func (s *Server) provenanceOf(typ, id, base string) []*row {
	t := s.tables["Provenance"]
	if t == nil {
		return nil
	}
	rows := t.index["target"][ref{typ, id}]
	if t.changed == 0 {
		return rows
	}
	f := s.referenceFilter(t, t.params.byName["target"], "", []string{typ + "/" + id}, base)
	m := match{}
	return slices.DeleteFunc(slices.Clone(rows), func(r *row) bool { return !m.take(r) || !f.test(&m) })
}

func entryOf(t *table, r *row, mode, base string, elements []string) Entry {
	v := r.cur
	resource := v.appendTo(make([]byte, 0, len(v.src.text)+36*len(v.src.holes)), base)
	if elements != nil {
		resource = subset(resource, elements)
	}
	return Entry{FullURL: base + "/" + t.params.name + "/" + v.id, Resource: resource, Mode: mode}
}
