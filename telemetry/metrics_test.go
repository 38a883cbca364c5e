package telemetry_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/telemetry"
)

var update = flag.Bool("update", false, "write the reference anew")

// scrape returns the lines of our own metrics.
func scrape(t *testing.T, m *telemetry.Metrics) []string {
	t.Helper()
	s := httptest.NewServer(m.Handler())
	defer s.Close()
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %s, %v", resp.Status, err)
	}
	var ours []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), "sluice_") {
			ours = append(ours, strings.TrimSpace(line))
		}
	}
	if !strings.Contains(string(body), "\ngo_goroutines ") {
		t.Error("the metrics of the Go runtime are missing")
	}
	return ours
}

// filled returns metrics in which everything has been counted once.
func filled() *telemetry.Metrics {
	m := telemetry.NewMetrics("1.2.3")
	m.Request("/fhir/bulkstatus/:job", "GET", 202, 30*time.Millisecond)
	m.Kickoff("group", "accepted")
	m.Token("issued")
	m.Denied("owner")
	m.Download("gzip", 1000, true)
	m.Download("gzip", 10, false)
	m.Rows("Patient", 3)
	m.Rows("Patient", 4)
	m.StorageError("create")
	m.AuditEvent("kickoff", "ok", nil)
	m.AuditEvent("kickoff", "ok", errors.New("disk full"))
	m.JobStates(func(context.Context) (map[string]int64, error) { return map[string]int64{"running": 2}, nil })
	m.AuditReady(func() error { return nil })
	m.Upstream(func() telemetry.UpstreamStats {
		return telemetry.UpstreamStats{Requests: map[string]int64{"2xx": 7, "429": 1}, Retries: 1, Pauses: 1, Breaker: "half-open", InFlight: 3, Passthrough: 1, Concurrency: 8, Bytes: 5}
	})
	return m
}

func TestMetrics(t *testing.T) {
	var got []string
	for _, line := range scrape(t, filled()) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "_bucket{") && !strings.Contains(line, "_sum{") {
			got = append(got, line)
		}
	}
	want := []string{
		`sluice_audit_events_total{outcome="lost",type="kickoff"} 1`,
		`sluice_audit_events_total{outcome="ok",type="kickoff"} 1`,
		`sluice_audit_writable 1`,
		`sluice_build_info{version="1.2.3"} 1`,
		`sluice_denied_total{reason="owner"} 1`,
		`sluice_download_bytes_total{coding="gzip"} 1010`,
		`sluice_downloads_total{coding="gzip",outcome="broken"} 1`,
		`sluice_downloads_total{coding="gzip",outcome="whole"} 1`,
		`sluice_http_request_duration_seconds_count{method="GET",route="/fhir/bulkstatus/:job",status="202"} 1`,
		`sluice_jobs{state="running"} 2`,
		`sluice_janitor_last_round_timestamp_seconds 0`,
		`sluice_janitor_removed_total 0`,
		`sluice_kickoffs_total{level="group",outcome="accepted"} 1`,
		`sluice_rows_written_total{type="Patient"} 7`,
		`sluice_state_up 1`,
		`sluice_storage_errors_total{op="create"} 1`,
		`sluice_tokens_total{outcome="issued"} 1`,
		`sluice_upstream_breaker_open 0.5`,
		`sluice_upstream_concurrency_limit 8`,
		`sluice_upstream_in_flight_requests{kind="export"} 3`,
		`sluice_upstream_in_flight_requests{kind="other"} 1`,
		`sluice_upstream_pause_remaining_seconds 0`,
		`sluice_upstream_pauses_total 1`,
		`sluice_upstream_received_bytes_total 5`,
		`sluice_upstream_refused_links_total 0`,
		`sluice_upstream_requests_total{class="2xx"} 7`,
		`sluice_upstream_requests_total{class="429"} 1`,
		`sluice_upstream_retries_total 1`,
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStateDown(t *testing.T) {
	m := telemetry.NewMetrics("1")
	m.JobStates(func(context.Context) (map[string]int64, error) { return nil, errors.New("away") })
	m.AuditReady(func() error { return errors.New("full") })
	got := strings.Join(scrape(t, m), "\n")
	for _, want := range []string{"sluice_state_up 0", "sluice_audit_writable 0"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	m := telemetry.NewMetrics("1")
	for i := range 1000 {
		m.Rows(fmt.Sprintf("Type%d", i), 1)
	}
	m.Denied("Peter Müller, born 2001")
	m.Denied(strings.Repeat("x", 100))
	m.Denied("")
	m.Request("/x", "GET", 99999, -time.Second)
	series := map[string]int{}
	for _, line := range scrape(t, m) {
		if name, _, ok := strings.Cut(line, "{"); ok {
			series[name]++
		}
	}
	if got := series["sluice_rows_written_total"]; got != 201 {
		t.Errorf("series of rows: got %d, want 200 and other", got)
	}
	if got := series["sluice_denied_total"]; got != 1 {
		t.Errorf("series of denials: got %d, want only other", got)
	}
}

const metricsFile = "../docs/operator/metrics.md"

// TestMetricsReference keeps the list for operators equal to the code.
func TestMetricsReference(t *testing.T) {
	type metric struct{ help, kind string }
	all, labels := map[string]metric{}, map[string]map[string]bool{}
	for _, line := range scrape(t, filled()) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), " ")
		switch m := all[name]; {
		case strings.HasPrefix(line, "# HELP "):
			all[name] = metric{help: rest}
		case strings.HasPrefix(line, "# TYPE "):
			m.kind = rest
			all[name] = m
		default:
			name, values, _ := strings.Cut(line, "{")
			name = strings.TrimSuffix(name, "_bucket")
			if labels[name] == nil {
				labels[name] = map[string]bool{}
			}
			for pair := range strings.SplitSeq(values, ",") {
				if label, _, ok := strings.Cut(pair, "="); ok && label != "le" {
					labels[name]["`"+label+"`"] = true
				}
			}
		}
	}
	var b strings.Builder
	b.WriteString("<!-- Made from telemetry/*.go by \"go test ./telemetry -update\". Change them there. -->\n# Metrics\n\n" +
		"`GET /metrics` on the admin listener, in the format of Prometheus, together with the usual `go_…` and `process_…`. No label ever holds an id of a patient,\n" +
		"a Group, a client or an export.\n\n| name | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, all[name].kind, strings.Join(slices.Sorted(maps.Keys(labels[name])), ", "), all[name].help)
	}
	if *update {
		if err := os.WriteFile(metricsFile, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("%s is not current; run go test ./telemetry -update (-want +got):\n%s", metricsFile, diff)
	}
}
