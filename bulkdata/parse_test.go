package bulkdata_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"sluice/bulkdata"
	"sluice/fhir"
)

var offer = bulkdata.Offer{Types: func(bulkdata.Level) []string {
	return []string{"Patient", "Observation", "Condition", "Practitioner"}
}}

func TestParse(t *testing.T) {
	lenient := bulkdata.Prefer{Handling: "lenient"}
	for _, tc := range []struct {
		name, query string
		prefer      bulkdata.Prefer
		types       []string
		ignored     int
		issue       string // code of the first issue of a refusal, "" for none
	}{
		{name: "nothing asked is everything", query: ""},
		{name: "PAR-05 types are split at commas, repeats joined", query: "_type=Patient,Observation&_type=Patient", types: []string{"Patient", "Observation"}},
		{name: "PAR-06 unknown type", query: "_type=Dragon", issue: "value"},
		{name: "PAR-06 unknown type, lenient", query: "_type=Patient,Dragon", prefer: lenient, types: []string{"Patient"}, ignored: 1},
		{name: "KICK-12 no type left, lenient", query: "_type=Dragon", prefer: lenient, issue: "value"},
		{name: "PAR-06 only outside the compartment", query: "_type=Practitioner", issue: "not-supported"},
		{name: "PAR-07 outside beside inside", query: "_type=Patient,Practitioner", types: []string{"Patient", "Practitioner"}},
		{name: "PAR-01 short format", query: "_outputFormat=ndjson"},
		{name: "PAR-01 raw plus", query: "_outputFormat=application/fhir+ndjson"},
		{name: "PAR-01 another format, lenient", query: "_outputFormat=text/csv", prefer: lenient, issue: "not-supported"},
		{name: "PAR-03 a date is no instant", query: "_since=2024-01-01", issue: "value"},
		{name: "KICK-12 malformed _since, lenient", query: "_since=yesterday", prefer: lenient, issue: "value"},
		{name: "PAR-25 unknown, strict", query: "_foo=1", issue: "not-supported"},
		{name: "KICK-11 unknown, lenient", query: "_foo=1", prefer: lenient, ignored: 1},
		{name: "KICK-12 unsupported narrowing, lenient", query: "_typeFilter=Observation%3Fstatus%3Dfinal", prefer: lenient, issue: "not-supported"},
		{name: "PAR-26 two different _since", query: "_since=2024-01-01T00:00:00Z&_since=2025-01-01T00:00:00Z", issue: "value"},
		{name: "broken query", query: "_type=%zz", issue: "structure"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, out := bulkdata.Parse(bulkdata.Patient, "", tc.query, tc.prefer, offer)
			if tc.issue != "" {
				if out == nil || out.Issue[0].Code != tc.issue {
					t.Fatalf("got %+v, want a refusal with %s", out, tc.issue)
				}
				return
			}
			if out != nil {
				t.Fatalf("refused: %+v", out.Issue)
			}
			if !slices.Equal(req.Types, tc.types) || len(req.Ignored) != tc.ignored {
				t.Errorf("got types %v, %d ignored; want %v, %d", req.Types, len(req.Ignored), tc.types, tc.ignored)
			}
		})
	}
}

// PAR-03: a raw + before the offset arrives as a blank.
func TestSinceWithBlank(t *testing.T) {
	req, out := bulkdata.Parse(bulkdata.System, "", "_since=2024-01-01T00:00:00+02:00", bulkdata.Prefer{}, offer)
	if out != nil {
		t.Fatal(out.Issue)
	}
	if want := time.Date(2023, 12, 31, 22, 0, 0, 0, time.UTC); !req.Since.Equal(want) {
		t.Errorf("got %s, want %s", req.Since, want)
	}
}

func TestParsePrefer(t *testing.T) {
	for _, tc := range []struct {
		headers []string
		want    bulkdata.Prefer
	}{
		{nil, bulkdata.Prefer{}},
		{[]string{"HANDLING=lenient, respond-async; wait=10"}, bulkdata.Prefer{RespondAsync: true, Handling: "lenient"}},
		{[]string{"foo", `handling="strict"`, "Respond-Async"}, bulkdata.Prefer{RespondAsync: true, Handling: "strict"}},
		{[]string{`x="a,respond-async"`}, bulkdata.Prefer{}},
		{[]string{"separate-export-status"}, bulkdata.Prefer{SeparateExportStatus: true}},
	} {
		if got := bulkdata.ParsePrefer(tc.headers); got != tc.want {
			t.Errorf("%q: got %+v, want %+v", tc.headers, got, tc.want)
		}
	}
}

func TestAcceptOK(t *testing.T) {
	for accept, want := range map[string]bool{
		"": true, "*/*": true, "application/json": true, "application/fhir+json; charset=utf-8": true, "text/html, */*;q=0.1": true,
		"text/html": false, "application/fhir+xml": false, "application/json;q=0": false, "application/json;q=0.5": true,
	} {
		if got := bulkdata.AcceptOK(accept); got != want {
			t.Errorf("%q: got %t, want %t", accept, got, want)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for h, want := range map[string]time.Duration{"7": 7 * time.Second, "Sun, 01 Mar 2026 08:00:03 GMT": 3 * time.Second, "Sun, 01 Mar 2026 07:00:00 GMT": 0} {
		if got, ok := bulkdata.ParseRetryAfter(h, now); !ok || got != want {
			t.Errorf("%q: got %s %t, want %s", h, got, ok, want)
		}
	}
	for _, h := range []string{"", "soon", "-1", "1.5"} {
		if _, ok := bulkdata.ParseRetryAfter(h, now); ok {
			t.Errorf("%q: taken", h)
		}
	}
}

// MAN-04, MAN-08: output and error are arrays also when there is nothing.
func TestManifestArrays(t *testing.T) {
	got, err := json.Marshal(bulkdata.Manifest{TransactionTime: "t", Request: "r"})
	want := `{"transactionTime":"t","request":"r","requiresAccessToken":false,"output":[],"error":[]}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("_type=Patient&_since=2024-01-01T00:00:00Z")
	f.Add("_foo=%00&_type=,")
	f.Fuzz(func(t *testing.T, query string) {
		req, out := bulkdata.Parse(bulkdata.Group, "g", query, bulkdata.Prefer{Handling: "lenient"}, offer)
		if (req == nil) == (out == nil) {
			t.Errorf("want a request or an outcome, got %v and %v", req, out)
		}
		for _, is := range append([]fhir.Issue{}, outcomeIssues(out)...) {
			if is.Severity == "" || is.Code == "" || is.Diagnostics == "" {
				t.Errorf("issue without severity, code or text: %+v", is)
			}
		}
	})
}

func outcomeIssues(out *fhir.OperationOutcome) []fhir.Issue {
	if out == nil {
		return nil
	}
	return out.Issue
}
