package fhirserver

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCapabilityStatement(t *testing.T) {
	s, base := start(t, Options{Extras: true})
	r := get(t, base+"/metadata")
	var got capability
	if err := json.Unmarshal(r.body, &got); err != nil {
		t.Fatal(err)
	}
	if got.FHIRVersion != "4.0.1" || got.Implementation.URL != base {
		t.Errorf("fhirVersion %s, url %s", got.FHIRVersion, got.Implementation.URL)
	}
	var types []string
	for _, r := range got.Rest[0].Resource {
		types = append(types, r.Type)
		if !slices.Contains(r.SearchRevInclude, "Provenance:target") || r.SearchParam[0].Name != "_id" || r.SearchParam[1].Name != "_lastUpdated" {
			t.Errorf("%s: lacks _id, _lastUpdated or Provenance:target", r.Type)
		}
		for _, p := range r.SearchParam { // what is declared works
			value := map[string]string{"date": "2026-01-01"}[p.Type]
			if value == "" {
				value = "x"
			}
			if res := get(t, base+"/"+r.Type+"?_summary=count&"+p.Name+"="+value); res.status != http.StatusOK {
				t.Errorf("%s?%s: status %d", r.Type, p.Name, res.status)
			}
		}
	}
	for _, typ := range append(s.Types(), emptyTypes...) {
		if !slices.Contains(types, typ) {
			t.Errorf("%s is not declared", typ)
		}
	}
	for _, word := range []string{"$", `"operation"`, "bulkdata"} {
		if strings.Contains(string(r.body), word) {
			t.Errorf("the CapabilityStatement speaks of %s", word)
		}
	}
}

func TestPublicBase(t *testing.T) {
	s, base := start(t, Options{PublicBase: "https://up.example/r4", Extras: true})
	b := find(t, base+"/Patient?_count=1")
	for _, url := range []string{b.link("self"), b.link("next"), b.Entry[0].FullURL} {
		if !strings.HasPrefix(url, "https://up.example/r4") {
			t.Errorf("%s is not below the public base", url)
		}
	}
	if got := string(s.Resource("Observation", "extra-obs-absolute")); !strings.Contains(got, `"https://up.example/r4/Patient/`) {
		t.Errorf("absolute reference: %s", got)
	}
}

func TestFirstRequestSettlesTheBase(t *testing.T) {
	s, base := start(t, Options{Extras: true})
	get(t, base+"/metadata")
	other := strings.Replace(base, "127.0.0.1", "localhost", 1)
	if got := string(get(t, other+"/Observation/extra-obs-absolute").body); got != string(s.Resource("Observation", "extra-obs-absolute")) || !strings.Contains(got, base) {
		t.Errorf("served bytes changed with the host: %s", got)
	}
}

func TestGzipAndPretty(t *testing.T) {
	_, base := start(t, Options{Gzip: true})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/Patient?_count=5&_pretty=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding %q, want gzip", got)
	}
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(body), "{\n  \"resourceType\": \"Bundle\",") {
		t.Errorf("not indented: %.80s", body)
	}
}

func TestDateIsTheClocks(t *testing.T) {
	_, base := start(t, Options{Clock: fixed("2031-02-03T04:05:06Z")})
	r := get(t, base+"/Patient")
	if got, want := r.header.Get("Date"), "Mon, 03 Feb 2031 04:05:06 GMT"; got != want {
		t.Errorf("Date %q, want %q", got, want)
	}
	if got, want := decode(t, r.body).Meta.LastUpdated, "2031-02-03T04:05:06.000+00:00"; got != want {
		t.Errorf("lastUpdated %q, want %q", got, want)
	}
}

func TestCounts(t *testing.T) {
	s, base := start(t, Options{LogSize: 4})
	p := s.PatientIDs()
	crawl(t, base+"/Encounter?patient="+p[0]+"&_count=5", "")
	crawl(t, base+"/Condition?patient="+p[0]+","+p[1]+"&_count=100", "")
	crawl(t, base+"/Location?_count=10", "")
	get(t, base+"/Patient/"+p[0])
	get(t, base+"/Patient/nobody?secret=1")
	c := s.Counts()
	if diff := cmp.Diff(map[Key]int64{{p[0], "Encounter"}: 1, {p[0], "Condition"}: 1, {p[1], "Condition"}: 1, {"", "Location"}: 1}, c.Searches); diff != "" {
		t.Errorf("searches (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GET /", "GET /", "GET /Patient/" + p[0], "GET /Patient/nobody"}, c.Log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[int]int64{200: c.Requests - 1, 404: 1}, c.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if c.Pages == 0 || c.Routes[RoutePage] != c.Pages || c.Routes[RouteRead] != 2 || c.MaxInFlight != 1 || c.InFlight != 0 || c.Bytes == 0 {
		t.Errorf("counts: %+v", c)
	}
	s.ResetCounts()
	if diff := cmp.Diff(Counts{Searches: map[Key]int64{}, Routes: map[string]int64{}, Status: map[int]int64{}, Faults: map[string]int64{}, Log: []string{}}, s.Counts()); diff != "" {
		t.Errorf("after a reset (-want +got):\n%s", diff)
	}
}

func TestMaxInFlight(t *testing.T) {
	gate := make(chan struct{})
	s, base := start(t, Options{Faults: func(*Request) *Fault { <-gate; return nil }})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { get(t, base+"/Patient?_summary=count") })
	}
	for s.Counts().InFlight < 5 {
		time.Sleep(time.Millisecond)
	}
	close(gate)
	all.Wait()
	if got := s.Counts().MaxInFlight; got != 5 {
		t.Errorf("at most %d in flight, want 5", got)
	}
}

func TestControlEndpoints(t *testing.T) {
	s, base := start(t, Options{Extras: true})
	root := strings.TrimSuffix(base, "/fhir")
	crawl(t, base+"/Encounter?patient="+s.PatientIDs()[0], "")
	var c Counts
	if err := json.Unmarshal(get(t, root+"/_counts").body, &c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Counts(), c); diff != "" {
		t.Errorf("counts over HTTP (-want +got):\n%s", diff)
	}
	if r := do(t, http.MethodPost, root+"/_counts/reset", "", ""); r.status != http.StatusNoContent || s.Counts().Requests != 0 {
		t.Errorf("reset: status %d, %d requests", r.status, s.Counts().Requests)
	}
	for _, tc := range []struct {
		url  string
		want map[string][][]byte
	}{
		{"/_oracle/system", s.Export("system", nil, nil)},
		{"/_oracle/patient?follow=Practitioner", s.Export("patient", s.PatientIDs(), []string{"Practitioner"})},
		{"/_oracle/group?group=half&follow=Location,Organization", s.Export("group", s.Members("half"), []string{"Location", "Organization"})},
	} {
		var want []string
		for _, rows := range tc.want {
			want = append(want, lines(rows)...)
		}
		got := strings.Split(strings.TrimSuffix(string(get(t, root+tc.url).body), "\n"), "\n")
		if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.url, diff)
		}
	}
	for url, want := range map[string]int{"/_oracle/group?group=none": 404, "/_oracle/galaxy": 400} {
		if r := get(t, root+url); r.status != want {
			t.Errorf("%s: status %d, want %d", url, r.status, want)
		}
	}
}

func TestFaults(t *testing.T) {
	var seen []Request
	var mu sync.Mutex
	var s *Server
	patient := "7882faa8-3cfc-29ab-251b-961ee60868c0"
	faults := Any(
		func(r *Request) *Fault { mu.Lock(); defer mu.Unlock(); seen = append(seen, *r); return nil },
		On(Fault{Status: 503, Header: http.Header{"Retry-After": {"7"}}}, ForType("Encounter"), ForPage(2), FirstTries(2)),
		On(Fault{Hang: true}, ForType("Goal")),
		On(Fault{Drop: true}, ForType("Location"), Once()),
		On(Fault{CutAfter: 0.6}, ForType("Device"), Once()),
		On(Fault{CutAfter: 0.6, WholeLength: true}, ForType("Device"), Once()),
		On(LoginPage(), ForType("Medication"), Once()),
		On(Fault{Ignore: []string{"patient"}}, ForType("Immunization")),
		On(WithOutcome("warning", "informational", ""), ForType("CarePlan"), ForRoute(RouteSearch)),
		On(Fault{Count: 2}, ForType("CareTeam")),
		On(Fault{Overlap: 1}, ForType("Condition")),
		On(Fault{Shuffle: true}, ForType("Organization")),
		On(CapResults(25), ForType("Procedure")),
		On(NextRelative(), ForType("ImagingStudy")),
		On(NextStuck(), ForType("SupplyDelivery")),
		Required("DocumentReference", "category"),
		RefuseValue("Observation", "category", "therapy"),
		On(Fault{Write: func(w io.Writer) error { _, err := io.Copy(w, io.LimitReader(spaces{}, 5<<20)); return err }}, ForRoute(RouteMetadata)),
	)
	s, base := start(t, Options{Extras: true, Faults: func(r *Request) *Fault { return faults(r) }})

	next := find(t, base+"/Encounter?patient="+patient+"&_count=5").link("next")
	for i, want := range []int{503, 503, 200} {
		if r := get(t, next); r.status != want || want == 503 && r.header.Get("Retry-After") != "7" {
			t.Errorf("try %d: status %d, want %d", i+1, r.status, want)
		}
	}
	page := seen[1]
	if page.Type != "Encounter" || page.Patient() != patient || page.Page != 2 || page.Route != RoutePage || page.N != 2 || page.Try != 1 {
		t.Errorf("a page is seen as %+v", page)
	}
	if cut := broken(t, base+"/Device?_count=100", 5*time.Second); !errors.Is(cut, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v, want an unexpected EOF", cut)
	}
	if cut := broken(t, base+"/Device?_count=99", 5*time.Second); !errors.Is(cut, io.ErrUnexpectedEOF) {
		t.Errorf("cut with the whole length: %v, want an unexpected EOF", cut)
	}
	if err := broken(t, base+"/Goal", 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v, want a deadline", err)
	}
	if r := get(t, base+"/Medication"); r.header.Get("Content-Type") != "text/html" || r.status != 200 {
		t.Errorf("login page: %d %s", r.status, r.header.Get("Content-Type"))
	}
	ignored := find(t, base+"/Immunization?patient="+patient+"&_count=1000")
	if len(ignored.Entry) != len(s.Resources("Immunization")) || strings.Contains(ignored.link("self"), "patient") {
		t.Errorf("ignored parameter: %d rows, self %s", len(ignored.Entry), ignored.link("self"))
	}
	if b := find(t, base+"/CarePlan"); !strings.Contains(string(b.Entry[len(b.Entry)-1].Resource), "OperationOutcome") {
		t.Error("no OperationOutcome among the entries")
	}
	if got := len(find(t, base+"/CareTeam?_count=100").Entry); got != 2 {
		t.Errorf("forced page size: %d rows, want 2", got)
	}
	conditions := len(s.Resources("Condition"))
	if rows := crawl(t, base+"/Condition?_count=10", "match"); len(rows) != conditions+conditions/10 {
		t.Errorf("overlap: %d rows, want %d", len(rows), conditions+conditions/10)
	}
	if rows := ids(t, crawl(t, base+"/Organization?_count=10", "match")); len(slices.Compact(sorted(rows))) == len(rows) {
		t.Error("shuffled pages give each row once")
	}
	if rows := crawl(t, base+"/Procedure?_count=10", "match"); len(rows) != 25 {
		t.Errorf("capped: %d rows, want 25", len(rows))
	}
	if link := find(t, base+"/ImagingStudy?_count=1").link("next"); !strings.HasPrefix(link, "/fhir?_getpages=") {
		t.Errorf("relative next: %s", link)
	}
	second := find(t, base+"/SupplyDelivery?_count=5").link("next")
	if again := find(t, second).link("next"); !sameQuery(t, again, second) {
		t.Errorf("stuck next: %s leads to %s", second, again)
	}
	if r := get(t, base+"/DocumentReference?patient="+patient); r.status != 400 || !strings.Contains(string(r.body), `"code":"required"`) {
		t.Errorf("required: %d %s", r.status, r.body)
	}
	find(t, base+"/DocumentReference?category=clinical-note&patient="+patient)
	if r := get(t, base+"/Observation?category=laboratory,therapy"); r.status != 400 {
		t.Errorf("refused value: status %d", r.status)
	}
	if r := get(t, base+"/metadata"); len(r.body) != 5<<20 {
		t.Errorf("streamed body: %d bytes", len(r.body))
	}
	want := map[string]int64{"status 503": 2, "hang": 1, "cut": 2, "html": 1, "ignore": 1, "outcome entry": 1, "count": 1,
		"overlap": 8, "shuffle": 4, "cap results": 3, "next": 1, "next stuck": 2, "required": 1, "value": 1, "body": 1}
	if diff := cmp.Diff(want, s.Counts().Faults); diff != "" {
		t.Errorf("faults served (-want +got):\n%s", diff)
	}
}

func TestFaultsMayChangeData(t *testing.T) {
	var s *Server
	var once sync.Once
	faults := func(r *Request) *Fault {
		if r.Page == 2 {
			once.Do(func() { mustPut(t, s, `{"resourceType":"Location","id":"grown"}`) })
		}
		return nil
	}
	s, base := start(t, Options{Faults: func(r *Request) *Fault { return faults(r) }})
	if rows := ids(t, crawl(t, base+"/Location?_count=10", "match")); slices.Contains(rows, "Location/grown") {
		t.Error("a stored search grew")
	}
	if rows := ids(t, crawl(t, base+"/Location?_count=10", "match")); !slices.Contains(rows, "Location/grown") {
		t.Error("the new row is not found")
	}
}

func TestRateLimit(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	limit := RateLimit(2, time.Minute, "", clock)
	var got []bool
	for range 3 {
		got = append(got, limit(&Request{}) != nil)
	}
	now = now.Add(time.Minute)
	got = append(got, limit(&Request{}) != nil)
	if want := []bool{false, false, true, false}; !slices.Equal(got, want) {
		t.Errorf("refused %v, want %v", got, want)
	}
}

// TestWritesDuringReads is for the race detector.
func TestWritesDuringReads(t *testing.T) {
	s, base := start(t, Options{})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 20 {
				if i == 0 {
					mustPut(t, s, `{"resourceType":"Condition","id":"busy","subject":{"reference":"Patient/`+s.PatientIDs()[0]+`"}}`)
				} else {
					crawl(t, base+"/Condition?_count=20&patient="+s.PatientIDs()[0], "match")
				}
			}
		})
	}
	all.Wait()
}

// broken is the error of a request that must not work.
func broken(t *testing.T, url string, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	return err
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func sameQuery(t *testing.T, a, b string) bool {
	t.Helper()
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	return ua.Query().Encode() == ub.Query().Encode()
}
