package fhirserver

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// start serves on a real listener and gives the base URL.
func start(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, listen(t, s)
}

func listen(t *testing.T, s *Server) string {
	t.Helper()
	l := httptest.NewServer(s.Handler())
	t.Cleanup(l.Close)
	return l.URL + s.o.Base
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

type bundle struct {
	ResourceType, ID, Type string
	Total                  *int64
	Meta                   struct{ LastUpdated string }
	Link                   []struct{ Relation, URL string }
	Entry                  []struct {
		FullURL  string
		Resource json.RawMessage
		Search   struct{ Mode string }
		Request  struct{ Method, URL string }
		Response struct{ Status, Etag string }
	}
}

func (b *bundle) link(relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// rows are the resources of a mode ("": all) as text.
func (b *bundle) rows(mode string) []string {
	var out []string
	for _, e := range b.Entry {
		if mode == "" || e.Search.Mode == mode {
			out = append(out, string(e.Resource))
		}
	}
	return out
}

func do(t *testing.T, method, url, contentType, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, got}
}

func get(t *testing.T, url string) reply { t.Helper(); return do(t, http.MethodGet, url, "", "") }

func find(t *testing.T, url string) *bundle {
	t.Helper()
	r := get(t, url)
	if r.status != http.StatusOK {
		t.Fatalf("GET %s: status %d, want 200: %s", url, r.status, r.body)
	}
	return decode(t, r.body)
}

func decode(t *testing.T, body []byte) *bundle {
	t.Helper()
	var b bundle
	if err := json.Unmarshal(body, &b); err != nil {
		t.Fatal(err)
	}
	return &b
}

// crawl follows the next links and gives all rows of a mode ("": all).
func crawl(t *testing.T, url, mode string) []string {
	t.Helper()
	var out []string
	for pages := 0; url != ""; pages++ {
		if pages > 5000 {
			t.Fatal("paging does not end")
		}
		b := find(t, url)
		out = append(out, b.rows(mode)...)
		url = b.link("next")
	}
	return out
}

func lines(rows [][]byte) []string {
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, string(r))
	}
	return out
}

func sorted(rows []string) []string {
	out := slices.Clone(rows)
	slices.Sort(out)
	return out
}

// ids are "Type/id" of resources, in order.
func ids(t *testing.T, rows []string) []string {
	t.Helper()
	var out []string
	for _, r := range rows {
		h, err := readHead([]byte(r))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h.typ+"/"+h.id)
	}
	return out
}
