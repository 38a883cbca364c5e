package fhirserver

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPagesGiveEachRowOnce(t *testing.T) {
	s, base := start(t, Options{Extras: true})
	for _, typ := range s.Types() {
		for _, count := range []int{3, 20, 1000} {
			t.Run(fmt.Sprintf("%s by %d", typ, count), func(t *testing.T) {
				got := crawl(t, fmt.Sprintf("%s/%s?_count=%d", base, typ, count), "match")
				if diff := cmp.Diff(lines(s.Resources(typ)), got); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestNextLinkNamesNothingOfTheSearch(t *testing.T) {
	s, base := start(t, Options{})
	next := find(t, base+"/Observation?patient="+s.PatientIDs()[0]+"&_count=3&_sort=-_id&status=final").link("next")
	u, err := url.Parse(next)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSuffix(next, "?"+u.RawQuery); got != base {
		t.Errorf("next is at %s, want the base %s", got, base)
	}
	want := []string{"_bundletype", "_count", "_getpages", "_getpagesoffset"}
	if diff := cmp.Diff(want, parameterNames(u.Query())); diff != "" {
		t.Errorf("parameters of next (-want +got):\n%s", diff)
	}
}

func TestPagesOutsideTheSearch(t *testing.T) {
	_, base := start(t, Options{})
	id := find(t, base+"/Patient?_count=4").ID
	for _, tc := range []struct {
		query   string
		entries int
		links   string
	}{
		{"&_getpagesoffset=8&_count=4", 2, "self previous"},
		{"&_getpagesoffset=10&_count=4", 0, "self previous"},
		{"&_getpagesoffset=9223372036854775807&_count=4", 0, "self previous"},
		{"&_getpagesoffset=-3&_count=4", 4, "self next"},
		{"&_getpagesoffset=x", 10, "self"},
		{"", 10, "self"},
	} {
		b := find(t, base+"?_getpages="+id+tc.query)
		var links []string
		for _, l := range b.Link {
			links = append(links, l.Relation)
		}
		if got := strings.Join(links, " "); len(b.Entry) != tc.entries || got != tc.links {
			t.Errorf("%q: %d entries and %s, want %d and %s", tc.query, len(b.Entry), got, tc.entries, tc.links)
		}
	}
}

func TestCount(t *testing.T) {
	_, base := start(t, Options{DefaultCount: 11, MaxCount: 50})
	for _, tc := range []struct {
		query   string
		entries int
		size    string // _count of the next link, "" for no link
	}{
		{"", 11, "11"},
		{"?_count=3", 3, "3"},
		{"?_count=50", 50, "50"},
		{"?_count=5000", 50, "50"},
		{"?_count=0", 0, ""},
		{"?_summary=count", 0, ""},
	} {
		t.Run(tc.query, func(t *testing.T) {
			b := find(t, base+"/Observation"+tc.query)
			if got := len(b.Entry); got != tc.entries {
				t.Errorf("%d entries, want %d", got, tc.entries)
			}
			size := ""
			if u, err := url.Parse(b.link("next")); err == nil {
				size = u.Query().Get("_count")
			}
			if size != tc.size {
				t.Errorf("next has _count %q, want %q", size, tc.size)
			}
		})
	}
}

func TestTotalOnlyWhenAskedForOrEmpty(t *testing.T) {
	_, base := start(t, Options{})
	for _, tc := range []struct {
		query string
		want  int64 // -1: none
	}{
		{"Patient", -1},
		{"Patient?_total=none", -1},
		{"Patient?_total=accurate", 10},
		{"Patient?_summary=count", 10},
		{"Patient?_id=nobody", 0},
	} {
		got := int64(-1)
		if b := find(t, base+"/"+tc.query); b.Total != nil {
			got = *b.Total
		}
		if got != tc.want {
			t.Errorf("%s: total %d, want %d", tc.query, got, tc.want)
		}
	}
}

func TestStoredSearchExpires(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	_, base := start(t, Options{SearchTTL: time.Minute, Clock: func() time.Time { return now }})
	next := find(t, base+"/Observation?_count=5").link("next")
	now = now.Add(59 * time.Second)
	if r := get(t, next); r.status != http.StatusOK {
		t.Errorf("after 59 s: status %d, want 200", r.status)
	}
	now = now.Add(time.Second)
	if r := get(t, next); r.status != http.StatusGone {
		t.Errorf("after 60 s: status %d, want 410", r.status)
	}
}

func TestOldestStoredSearchGoesFirst(t *testing.T) {
	_, base := start(t, Options{MaxSearches: 2})
	first := find(t, base+"/Observation?_count=5").link("next")
	second := find(t, base+"/Observation?_count=5").link("next")
	get(t, first) // used last: the second is the oldest now
	find(t, base+"/Observation?_count=5")
	if r := get(t, first); r.status != http.StatusOK {
		t.Errorf("first search: status %d, want 200", r.status)
	}
	if r := get(t, second); r.status != http.StatusGone {
		t.Errorf("second search: status %d, want 410", r.status)
	}
}

func TestStoredSearchKeepsItsRows(t *testing.T) {
	s, base := start(t, Options{})
	before := ids(t, lines(s.Resources("Condition")))
	b := find(t, base+"/Condition?_count=30")
	mustPut(t, s, `{"resourceType":"Condition","id":"new","subject":{"reference":"Patient/x"}}`)
	mustPut(t, s, `{"resourceType":"Condition","id":"`+strings.TrimPrefix(before[40], "Condition/")+`","code":{"text":"changed"}}`)
	if err := s.Delete("Condition", strings.TrimPrefix(before[41], "Condition/")); err != nil {
		t.Fatal(err)
	}
	rows := append(b.rows("match"), crawl(t, b.link("next"), "match")...)
	want := slices.Delete(slices.Clone(before), 41, 42)
	if diff := cmp.Diff(want, ids(t, rows)); diff != "" {
		t.Errorf("rows of the stored search (-want +got):\n%s", diff)
	}
	if !strings.Contains(rows[40], `"changed"`) {
		t.Error("a row is not shown as it is now")
	}
}

func TestReuseSearch(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	s, base := start(t, Options{ReuseSearch: time.Minute, Clock: func() time.Time { return now }})
	first := find(t, base+"/Patient?gender=female&_count=100")
	mustPut(t, s, `{"resourceType":"Patient","id":"new","gender":"female"}`)
	if again := find(t, base+"/Patient?_count=100&gender=female"); again.ID != first.ID || len(again.Entry) != len(first.Entry) {
		t.Error("the same search within a minute was done again")
	}
	now = now.Add(time.Minute)
	if later := find(t, base+"/Patient?gender=female&_count=100"); len(later.Entry) != len(first.Entry)+1 {
		t.Errorf("after a minute: %d rows, want %d", len(later.Entry), len(first.Entry)+1)
	}
}

func TestElements(t *testing.T) {
	s, base := start(t, Options{})
	const tag = `,"tag":[` + subsetted + `]}`
	id := s.PatientIDs()[0]
	got := find(t, base+"/Patient?_elements=gender,birthDate&_id="+id).rows("match")[0]
	want := `{"resourceType":"Patient","id":"` + id + `","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:01.186+00:00",` +
		`"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]` + tag + `,"gender":"female","birthDate":"2012-04-26"}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	for _, row := range crawl(t, base+"/Observation?_count=100&_elements=status", "match") {
		var names []string
		eachMember([]byte(row), 0, func(name []byte, _ span) bool { names = append(names, string(name)); return true })
		if diff := cmp.Diff([]string{"resourceType", "id", "meta", "status"}, names); diff != "" {
			t.Fatalf("members (-want +got):\n%s", diff)
		}
		if !strings.Contains(row, tag) {
			t.Fatalf("row without SUBSETTED: %s", row)
		}
	}
}

func mustPut(t *testing.T, s *Server, raw string) {
	t.Helper()
	if err := s.Put([]byte(raw)); err != nil {
		t.Fatal(err)
	}
}
