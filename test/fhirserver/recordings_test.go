package fhirserver

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecordings holds answers against those of a real server: status, header
// names, members and their order, links, modes, and the whole text of refusals.
func TestRecordings(t *testing.T) {
	_, base := start(t, Options{})
	patient := "Patient/7882faa8-3cfc-29ab-251b-961ee60868c0"
	page := func(query string) string { return find(t, base+query).link("next") }
	for _, tc := range []struct {
		name   string
		method string
		url    func() string
		form   string
	}{
		{"empty-result", "GET", func() string { return base + "/Observation?patient=does-not-exist" }, ""},
		{"encounter-post-search", "POST", func() string { return base + "/Encounter/_search" }, "_count=2&patient=" + patient},
		{"error-bad-date", "GET", func() string { return base + "/Patient?_lastUpdated=notadate" }, ""},
		{"error-getpages-expired", "GET", func() string { return base + "?_getpages=00000000-0000-0000-0000-000000000000" }, ""},
		{"error-read-404", "GET", func() string { return base + "/Patient/does-not-exist" }, ""},
		{"error-unknown-parameter", "GET", func() string { return base + "/Patient?nosuchparam=1" }, ""},
		{"error-unknown-type", "GET", func() string { return base + "/Nonsense" }, ""},
		{"history-type", "GET", func() string { return base + "/Patient/_history?_count=2" }, ""},
		{"observation-by-patient-page1", "GET", func() string { return base + "/Observation?patient=" + patient[8:] + "&_count=5" }, ""},
		{"observation-by-patient-page2", "GET", func() string { return page("/Observation?_count=5&patient=" + patient) }, ""},
		{"patient-compartment-search", "GET", func() string { return base + "/" + patient + "/Condition?_count=5" }, ""},
		{"patient-read", "GET", func() string { return base + "/" + patient }, ""},
		{"practitioner-elements", "GET", func() string { return base + "/Practitioner?_elements=name&_count=2" }, ""},
		{"practitioner-lastupdated-sorted", "GET", func() string {
			return base + "/Practitioner?_lastUpdated=ge2020-01-01&_sort=_lastUpdated&_count=2"
		}, ""},
		{"practitioner-page1", "GET", func() string { return base + "/Practitioner?_count=3" }, ""},
		{"practitioner-page2", "GET", func() string { return page("/Practitioner?_count=3") }, ""},
		{"practitioner-summary-count", "GET", func() string { return base + "/Practitioner?_summary=count" }, ""},
		{"practitioner-total-accurate", "GET", func() string { return base + "/Practitioner?_total=accurate&_count=1" }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			contentType := ""
			if tc.form != "" {
				contentType = "application/x-www-form-urlencoded"
			}
			got := do(t, tc.method, tc.url(), contentType, tc.form)
			status, header := recordedHeaders(t, tc.name)
			if got.status != status {
				t.Errorf("status %d, want %d: %s", got.status, status, got.body)
			}
			if diff := cmp.Diff(header, headerNames(got.header)); diff != "" {
				t.Errorf("header names (-recorded +got):\n%s", diff)
			}
			if got, want := got.header.Get("Content-Type"), "application/fhir+json;charset=utf-8"; got != want {
				t.Errorf("Content-Type %q, want %q", got, want)
			}
			recorded, err := os.ReadFile("testdata/hapi/" + tc.name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shape(t, recorded, "http://127.0.0.1:18080/fhir"), shape(t, got.body, base)); diff != "" {
				t.Errorf("shape (-recorded +got):\n%s", diff)
			}
		})
	}
}

// recordedHeaders are the status and the header names; how a body is framed depends on its size.
func recordedHeaders(t *testing.T, name string) (int, []string) {
	t.Helper()
	f, err := os.Open("testdata/hapi/" + name + ".headers.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan()
	status, err := strconv.Atoi(strings.Fields(lines.Text())[1])
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ": "); ok {
			h.Add(name, value)
		}
	}
	return status, headerNames(h)
}

// headerNames lists each name as often as it is there.
func headerNames(h http.Header) []string {
	var out []string
	for name, values := range h {
		for range values {
			if name = http.CanonicalHeaderKey(name); name != "Transfer-Encoding" && name != "Content-Length" {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

var (
	uuids    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	times    = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00`)
	listings = regexp.MustCompile(`(: \[)[^\[\]]*(\]"?)$`)
	numbers  = regexp.MustCompile(`^\d+$`)
)

// shape flattens JSON to lines of path and value, in order, with ids, times and
// totals blanked; of a resource inside a Bundle it keeps the members the server makes.
func shape(t *testing.T, body []byte, base string) []string {
	t.Helper()
	if !json.Valid(body) {
		t.Fatalf("not JSON: %s", body)
	}
	var out []string
	var walk func(path string, v []byte)
	walk = func(path string, v []byte) {
		switch {
		case v[0] == '{':
			eachMember(v, 0, func(name []byte, s span) bool {
				if at := path + "." + string(name); made(at) {
					walk(at, v[s.from:s.to])
				}
				return true
			})
		case v[0] == '[':
			eachElement(v, func(e []byte) { walk(path+"[]", e) })
		default:
			s := strings.ReplaceAll(text(v), base, "BASE")
			s = times.ReplaceAllString(uuids.ReplaceAllString(s, "UUID"), "TIME")
			s = listings.ReplaceAllString(s, "$1…$2")
			if path == ".total" {
				s = numbers.ReplaceAllString(s, "N")
			}
			out = append(out, path+" = "+s)
		}
	}
	walk("", body)
	return out
}

// made says whether a member is of the server's making, not of the data.
func made(path string) bool {
	path = strings.ReplaceAll(path, "[]", "")
	if inMeta := strings.Contains(path, ".meta."); inMeta {
		return !strings.HasSuffix(path, ".source") && !strings.HasSuffix(path, ".profile")
	}
	if name, ok := strings.CutPrefix(path, ".entry.resource."); ok {
		return name == "resourceType" || name == "id" || name == "meta"
	}
	top, below, _ := strings.Cut(path[1:], ".")
	return below != "" || slices.Contains([]string{"resourceType", "id", "meta", "type", "total", "link", "entry", "issue"}, top)
}
