package fhirserver

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
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
