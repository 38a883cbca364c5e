package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxManifest caps a page of a manifest; maxPages, how many pages there may be.
const (
	maxManifest = 256 << 20
	maxPages    = 10_000
)

// manifest is the body of a finished status request as any version of the guide may write it.
type manifest struct {
	TransactionTime     string  `json:"transactionTime"`
	RequiresAccessToken *bool   `json:"requiresAccessToken"`
	OrganizedBy         string  `json:"outputOrganizedBy"` // version 3: a file holds resources of several types
	Output              []entry `json:"output"`
	Deleted             []entry `json:"deleted"`
	Error               []entry `json:"error"`
	Outcome             []entry `json:"outcome"` // version 4: what error was
	Link                []link  `json:"link"`    // version 3: pages

	raw []byte // to be kept, all pages in one
}

// entry is one file of a manifest.
type entry struct {
	Type  string `json:"type"`
	URL   string `json:"url"`
	Count *int64 `json:"count"`
}

type link struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

func (m *manifest) next() string {
	for _, l := range m.Link {
		if l.Relation == "next" {
			return l.URL
		}
	}
	return ""
}

// signed says if the files need the token. A manifest that does not say gets it on the own origin, where it does no harm.
func (m *manifest) signed() bool { return m.RequiresAccessToken == nil || *m.RequiresAccessToken }

// manifest reads the manifest from the answer to a status request, and its further pages.
func (p *puller) manifest(ctx context.Context, res *http.Response) (*manifest, error) {
	m, err := readManifest(res)
	if err != nil {
		return nil, err
	}
	if m.next() == "" {
		return m, nil
	}
	whole := map[string]json.RawMessage{}
	if json.Unmarshal(m.raw, &whole) != nil {
		return nil, permanentf("the manifest is no JSON object")
	}
	seen := map[string]bool{}
	at := res.Request.URL
	for next := m.next(); next != ""; {
		if seen[next] || len(seen) == maxPages {
			return nil, permanentf("the pages of the manifest do not end")
		}
		seen[next] = true
		u, err := p.s.resolve(at, next)
		if err != nil {
			return nil, err
		}
		res, err := p.s.do(ctx, http.MethodGet, u.String(), http.Header{"Accept": {"application/json"}}, true)
		if err != nil {
			return nil, err
		}
		if res.StatusCode != http.StatusOK {
			return nil, answered(res)
		}
		page, err := readManifest(res)
		if err != nil {
			return nil, err
		}
		m.Output = append(m.Output, page.Output...)
		m.Deleted = append(m.Deleted, page.Deleted...)
		m.Error = append(m.Error, page.Error...)
		m.Outcome = append(m.Outcome, page.Outcome...)
		if err := join(whole, page.raw); err != nil {
			return nil, err
		}
		at, next = u, page.next()
	}
	delete(whole, "link")
	m.raw, err = json.Marshal(whole)
	return m, err
}

// readManifest reads one page and closes the answer.
func readManifest(res *http.Response) (*manifest, error) {
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m := &manifest{raw: raw}
	if len(raw) > maxManifest || json.Unmarshal(raw, m) != nil || m.TransactionTime == "" && m.Output == nil {
		return nil, permanentf("the server answered 200 without a manifest")
	}
	return m, nil
}

// join appends the lists of files of a page to those of the first.
func join(whole map[string]json.RawMessage, page []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(page, &fields); err != nil {
		return permanentf("a page of the manifest is no JSON object")
	}
	for _, list := range []string{"output", "deleted", "error", "outcome"} {
		var a, b []json.RawMessage
		if fields[list] == nil {
			continue
		}
		if json.Unmarshal(fields[list], &b) != nil || whole[list] != nil && json.Unmarshal(whole[list], &a) != nil {
			return permanentf("a list of files of the manifest is no array")
		}
		both, err := json.Marshal(append(a, b...))
		if err != nil {
			return err
		}
		whole[list] = both
	}
	return nil
}

// pretty is the manifest as it is kept in the folder.
func (m *manifest) pretty() []byte {
	var b bytes.Buffer
	if json.Indent(&b, m.raw, "", "  ") != nil {
		return m.raw
	}
	b.WriteByte('\n')
	return b.Bytes()
}
