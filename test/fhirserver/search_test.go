package fhirserver

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small is a server with rows made for searching.
func small(t *testing.T) (*Server, string) {
	t.Helper()
	folder := fstest.MapFS{"all.ndjson": {Data: []byte(strings.TrimSpace(`
{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2026-03-01T12:00:00.000Z"},"identifier":[{"system":"http://mrn","value":"100"}],"active":true,"name":[{"family":"Abel","given":["Ann","Bo"]}],"gender":"female","birthDate":"1980-05-17"}
{"resourceType":"Patient","id":"p2","meta":{"lastUpdated":"2026-03-01T12:00:00.999Z"},"identifier":[{"system":"http://other","value":"100"}],"name":[{"family":"Baker"}],"gender":"male","birthDate":"1980"}
{"resourceType":"Patient","id":"p3","meta":{"lastUpdated":"2026-03-01T12:00:01Z","versionId":"7"},"name":[{"family":"abelson"}],"gender":"female","birthDate":"1990-01-01"}
{"resourceType":"Observation","id":"o1","status":"final","category":[{"coding":[{"system":"http://cat","code":"vital-signs"}]},{"coding":[{"code":"exam"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8302-2"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2025-01-10","performer":[{"reference":"Practitioner/d1"}]}
{"resourceType":"Observation","id":"o2","status":"amended","category":[{"coding":[{"system":"http://cat","code":"laboratory"}]}],"code":{"text":"no coding"},"subject":{"reference":"Patient/p2"},"effectivePeriod":{"start":"2025-01-05T00:00:00Z","end":"2025-02-01T00:00:00Z"},"performer":[{"reference":"Patient/p1"}]}
{"resourceType":"Observation","id":"o3","status":"final","code":{"text":"x"},"subject":{"reference":"{base}/Patient/p1"}}
{"resourceType":"Observation","id":"o4","status":"final","code":{"text":"x"},"subject":{"reference":"Group/g"}}
{"resourceType":"Observation","id":"o5","status":"final","code":{"text":"x"},"subject":{"reference":"https://elsewhere.example/fhir/Patient/p1"}}
{"resourceType":"Observation","id":"o6","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p3/_history/7"}}
{"resourceType":"Practitioner","id":"d1","name":[{"family":"Doe"}]}
{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p3"}}]}
{"resourceType":"Provenance","id":"v1","target":[{"reference":"Observation/o1"},{"reference":"Observation/o2"}],"recorded":"2025-01-01T00:00:00Z","agent":[{"who":{"reference":"Practitioner/d1"}}]}
{"resourceType":"Provenance","id":"v2","target":[{"reference":"Observation/o1/_history/1"}],"recorded":"2025-01-01T00:00:00Z","agent":[{"who":{"reference":"Practitioner/d1"}}]}
`))}}
	s, err := Load(Options{}, folder)
	if err != nil {
		t.Fatal(err)
	}
	return s, listen(t, s)
}

var searchCases = []struct{ query, want string }{
	{"Patient", "p1 p2 p3"},
	{"Patient?_id=p3,p1,nobody", "p1 p3"},
	{"Patient?_id=Patient/p2", "p2"},
	{"Patient?_sort=-_id", "p3 p2 p1"},
	{"Patient?_sort=-_lastUpdated", "p3 p2 p1"},
	{"Patient?gender=female", "p1 p3"},
	{"Patient?gender=male,female&_id=p2,p3", "p2 p3"},
	{"Patient?gender:not=female", "p2"},
	{"Patient?identifier=100", "p1 p2"},
	{"Patient?identifier=http://mrn|100", "p1"},
	{"Patient?identifier=http://mrn|", "p1"},
	{"Patient?identifier=|100", ""},
	{"Patient?identifier:missing=true", "p3"},
	{"Patient?active=true", "p1"},
	{"Patient?name=abel", "p1 p3"},
	{"Patient?family:exact=abelson", "p3"},
	{"Patient?given=bo", "p1"},
	{"Patient?birthdate=1980", "p1 p2"},
	{"Patient?birthdate=1980-05", "p1"},
	{"Patient?birthdate=ge1985", "p3"},
	{"Patient?birthdate=lt1980-05-17", "p2"},
	{"Patient?_has:Group:member:_id=g", "p3"},
	{"Observation?patient=p1", "o1 o3"},
	{"Observation?patient=Patient/p1", "o1 o3"},
	{"Observation?patient=BASE/Patient/p1", "o1 o3"},
	{"Observation?patient=p2,p1", "o1 o2 o3"},
	{"Observation?patient=p1&patient=p2", ""},
	{"Observation?patient=g", ""},
	{"Observation?patient=p3", "o6"},
	{"Observation?patient=", "o1 o2 o3 o4 o5 o6"},
	{"Observation?subject=g", "o4"},
	{"Observation?subject=Group/g,Patient/p2", "o2 o4"},
	{"Observation?subject:Patient=p1", "o1 o3"},
	{"Observation?subject:Group=p1", ""},
	{"Observation?performer=Patient/p1", "o2"},
	{"Observation?performer=d1", "o1"},
	{"Observation?performer:missing=false", "o1 o2"},
	{"Observation?category=vital-signs", "o1"},
	{"Observation?category=http://cat|laboratory,exam", "o1 o2"},
	{"Observation?category:missing=true", "o3 o4 o5 o6"},
	{"Observation?status=final&patient=p1,p2", "o1 o3"},
	{"Observation?code=http://loinc.org|8302-2", "o1"},
	{"Observation?date=2025-01", "o1"},
	{"Observation?date=le2025-01-05", "o2"},
	{"Observation?date=ge2025-01-20", "o2"},
	{"Observation?date:missing=true&status=final", "o3 o4 o5 o6"},
	{"Provenance?target=Observation/o1", "v1 v2"},
	{"Provenance?target=o2", "v1"},
	{"Provenance?target=Patient/o1", ""},
	{"Provenance?agent=Practitioner/d1", "v1 v2"},
	{"Group?member=Patient/p3", "g half everyone"},
	{"ClinicalImpression?patient=p1", ""},
	{"Patient?_lastUpdated=2026-03-01T12:00:00Z", "p1 p2"},
	{"Patient?_lastUpdated=gt2026-03-01T12:00:00Z", "p3"},
	{"Patient?_lastUpdated=sa2026-03-01T12:00:00Z", "p3"},
	{"Patient?_lastUpdated=ge2026-03-01T12:00:00Z", "p1 p2 p3"},
	{"Patient?_lastUpdated=gt2026-03-01T12:00:00.000Z", "p2 p3"},
	{"Patient?_lastUpdated=lt2026-03-01T12:00:00.999Z", "p1"},
	{"Patient?_lastUpdated=le2026-03-01T12:00:00.999Z", "p1 p2"},
	{"Patient?_lastUpdated=le2026-03-01T12:00:00Z", "p1 p2"},
	{"Patient?_lastUpdated=eb2026-03-01T12:00:01Z", "p1 p2"},
	{"Patient?_lastUpdated=ne2026-03-01T12:00:00Z", "p3"},
	{"Patient?_lastUpdated=ge2026-03-01T14:00:01%2B02:00", "p3"},
	{"Patient?_lastUpdated=ge2026-03-01T14:00:01+02:00", "p3"},
	{"Patient?_lastUpdated=gt2026-03-01", ""},
	{"Patient?_lastUpdated=ge2026-03", "p1 p2 p3"},
	{"Patient?_lastUpdated=ge2026-03-01T12:00:00.5Z&_lastUpdated=lt2026-03-01T12:00:01Z", "p2"},
}

func TestSearch(t *testing.T) {
	s, base := small(t)
	check := func(t *testing.T) {
		for _, tc := range searchCases {
			var got []string
			for _, id := range ids(t, crawl(t, base+"/"+strings.ReplaceAll(tc.query, "BASE", base), "match")) {
				_, id, _ = strings.Cut(id, "/")
				got = append(got, id)
			}
			if got := strings.Join(got, " "); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.query, got, tc.want)
			}
		}
	}
	t.Run("as loaded", check)
	// The same after every row changed: what the index says is looked at again.
	at := func(row []byte) time.Time {
		when, err := time.Parse(time.RFC3339, text(member(member(row, "meta"), "lastUpdated")))
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, typ := range s.Types() {
		for _, row := range s.Resources(typ) {
			h, err := readHead(row)
			if err != nil {
				t.Fatal(err)
			}
			empty := `{"resourceType":"` + typ + `","id":"` + h.id + `","subject":{"reference":"Patient/p1"},"status":"final"}`
			mustPut(t, s, empty)
			if err := s.PutAt(row, at(row)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("after two more versions", check)
}

func TestSearchRefusals(t *testing.T) {
	_, base := small(t)
	for _, tc := range []struct {
		query  string
		status int
		text   string
	}{
		{"Patient?patient=p1", 400, `HAPI-0524: Unknown search parameter "patient" for resource type "Patient"`},
		{"Device?patient=p1", 404, "HAPI-0302: Unknown resource type 'Device'"},
		{"Patient?_lastUpdated=zz2020", 400, `HAPI-1941: Invalid prefix: "zz"`},
		{"Patient?_lastUpdated=2020-13-01", 400, `HAPI-1882: Invalid date/time format: "2020-13-01"`},
		{"Patient?_lastUpdated=ap2020", 400, "HAPI-1925: Unknown comparator: APPROXIMATE"},
		{"Patient?birthdate=soon", 400, "HAPI-1940"},
		{"Patient?_count=many", 400, "HAPI-0375: Invalid _count value: many"},
		{"Patient?_sort=name", 400, "HAPI-1194"},
		{"Patient?_include=Patient:nothing", 400, "HAPI-2017"},
		{"Patient?_revinclude=Observation:subject", 400, "HAPI-2018"},
		{"Patient?_summary=count&_elements=id", 400, "HAPI-0304"},
		{"Patient?gender:above=x", 400, "HAPI-2498"},
		{"Patient?_format=xml", 406, "application/fhir+json only"},
		{"Patient/p1/$everything", 400, "does not know how to handle GET operation[Patient/p1/$everything]"},
		{"Patient/$export", 400, "does not know how to handle GET operation[Patient/$export] with parameters [[]]"},
		{"$export?_type=Patient", 400, "does not know how to handle GET operation[$export] with parameters [[_type]]"},
		{"Group/g/$export", 400, "does not know how to handle GET operation[Group/g/$export]"},
		{"Dragon/1", 404, "HAPI-0302: Unknown resource type 'Dragon'"},
		{"", 400, "HAPI-0287"},
	} {
		t.Run(tc.query, func(t *testing.T) {
			r := get(t, base+"/"+tc.query)
			if r.status != tc.status || !strings.Contains(string(r.body), strings.ReplaceAll(tc.text, `"`, `\"`)) {
				t.Errorf("status %d, want %d with %s: %s", r.status, tc.status, tc.text, r.body)
			}
			if !strings.HasPrefix(string(r.body), `{"resourceType":"OperationOutcome"`) {
				t.Errorf("not an OperationOutcome: %s", r.body)
			}
		})
	}
}

func TestIncluded(t *testing.T) {
	_, base := small(t)
	for _, tc := range []struct{ query, matches, included string }{
		{"Observation?patient=p1&_revinclude=Provenance:target", "o1 o3", "v1 v2"},
		{"Observation?_revinclude=Provenance:target&_count=6", "o1 o2 o3 o4 o5 o6", "v1 v2"},
		{"Observation?_include=Observation:subject&_id=o1,o3,o4,o5", "o1 o3 o4 o5", "p1 g"},
		{"Observation?_include=Observation:subject:Group&_id=o1,o4", "o1 o4", "g"},
		{"Observation?_include=Observation:performer&_id=o1,o2", "o1 o2", "d1 p1"},
	} {
		b := find(t, base+"/"+tc.query)
		strip := func(rows []string) string {
			var out []string
			for _, id := range ids(t, rows) {
				out = append(out, id[strings.IndexByte(id, '/')+1:])
			}
			return strings.Join(out, " ")
		}
		if got := strip(b.rows("match")); got != tc.matches {
			t.Errorf("%s: matches %q, want %q", tc.query, got, tc.matches)
		}
		if got := strip(b.rows("include")); got != tc.included {
			t.Errorf("%s: included %q, want %q", tc.query, got, tc.included)
		}
	}
}

func TestIncludedDoNotCount(t *testing.T) {
	_, base := small(t)
	b := find(t, base+"/Observation?_revinclude=Provenance:target&_count=2&_total=accurate")
	if matches, included := len(b.rows("match")), len(b.rows("include")); matches != 2 || included != 2 || *b.Total != 6 {
		t.Errorf("%d matches, %d included, total %d; want 2, 2, 6", matches, included, *b.Total)
	}
	all := crawl(t, base+"/Observation?_revinclude=Provenance:target&_count=1", "include")
	if want := []string{"Provenance/v1", "Provenance/v2", "Provenance/v1"}; !slices.Equal(ids(t, all), want) {
		t.Errorf("included over pages of one: %v, want %v", ids(t, all), want)
	}
}

func TestPostedSearch(t *testing.T) {
	_, base := small(t)
	const form = "application/x-www-form-urlencoded"
	r := do(t, http.MethodPost, base+"/Observation/_search?status=final", form, "patient=p1%2Cp2&_lastUpdated=ge2020-01-01T00:00:00%2B00:00")
	if got := ids(t, decode(t, r.body).rows("match")); !slices.Equal(got, []string{"Observation/o1", "Observation/o3"}) {
		t.Errorf("got %v", got)
	}
	if diff := cmp.Diff(base+"/Observation/_search", decode(t, r.body).link("self")); diff != "" {
		t.Errorf("self (-want +got):\n%s", diff)
	}
	if r := do(t, http.MethodPost, base+"/Observation/_search", "application/json", "{}"); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("JSON body: status %d, want 415", r.status)
	}
}
