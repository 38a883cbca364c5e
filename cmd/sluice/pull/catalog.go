package pull

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// The lists of a manifest.
const (
	listOutput  = "output"
	listDeleted = "deleted"
	listError   = "error"
)

// listed is one file of the manifest with the list it is in, and the type its lines must have.
type listed struct {
	entry
	list string
	typ  string // "": any
}

// lists puts the files of all lists in one row.
func (m *manifest) lists() []listed {
	var all []listed
	for _, e := range m.Output {
		typ := e.Type
		if m.OrganizedBy != "" {
			typ = ""
		}
		all = append(all, listed{e, listOutput, typ})
	}
	for _, e := range m.Deleted {
		all = append(all, listed{e, listDeleted, "Bundle"})
	}
	for _, e := range slices.Concat(m.Error, m.Outcome) {
		all = append(all, listed{e, listError, "OperationOutcome"})
	}
	return all
}

// matches reports whether the files laid out before are those of the manifest; their URLs may have changed.
func (s *state) matches(files []listed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.EqualFunc(s.Files, files, func(f slot, l listed) bool { return f.matches(l) })
}

func (s slot) matches(l listed) bool {
	return s.List == l.list && s.Type == l.typ && (s.Count == nil) == (l.Count == nil) && (s.Count == nil || *s.Count == *l.Count)
}

// catalog has the addresses of the files by position. Signed addresses live a few minutes only (MAN-14); a new poll gives fresh ones.
type catalog struct {
	renewing sync.Mutex
	mu       sync.Mutex
	files    []listed
	signed   bool
}

func (c *catalog) set(files []listed, signed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files, c.signed = files, signed
}

func (c *catalog) address(i int) (url string, signed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[i].URL, c.signed
}

var errNotRenewed = errors.New("the manifest has no other address")

// renew polls once more when the address of file i is no longer good. The manifest must still be the same one (STAT-12).
func (p *puller) renew(ctx context.Context, i int, used string) error {
	p.catalog.renewing.Lock()
	defer p.catalog.renewing.Unlock()
	if now, _ := p.catalog.address(i); now != used {
		return nil // another download has done it
	}
	m, err := p.poll(ctx, p.state.Status)
	if err != nil {
		return err
	}
	files := m.lists()
	if !p.state.matches(files) {
		return permanentf("the manifest has changed since the downloads began")
	}
	p.catalog.set(files, m.signed())
	if now, _ := p.catalog.address(i); now == used {
		return errNotRenewed
	}
	return nil
}
