package fhirserver

import (
	"context"
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
