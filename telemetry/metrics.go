package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the numbers of one process, on a registry of their own. The methods may be called by many goroutines at once; cmd gives them to
// the other packages as funcs.
type Metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.HistogramVec
	kickoffs  *prometheus.CounterVec
	tokens    *prometheus.CounterVec
	denied    *prometheus.CounterVec
	downloads *prometheus.CounterVec
	sent      *prometheus.CounterVec
	rows      *prometheus.CounterVec
	storage   *prometheus.CounterVec
	swept     prometheus.Gauge
	removed   prometheus.Counter
	audit     *prometheus.CounterVec

	labels labels
}

// NewMetrics returns the metrics of this process, with those of the Go runtime and the process itself.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_build_info", Help: "1, with the version as a label."}, []string{"version"})
	build.WithLabelValues(m.labels.word("version", version)).Set(1)
	m.registry.MustRegister(build)

	m.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "sluice_http_request_duration_seconds",
		Help:    "Requests answered, by route template, method and status, with the time to the end of the answer.",
		Buckets: []float64{.005, .02, .1, .5, 2, 10, 60},
	}, []string{"route", "method", "status"})
	m.registry.MustRegister(m.requests)
	m.kickoffs = m.counter("sluice_kickoffs_total", "Kick-off requests, by level and outcome (accepted, refused).", "level", "outcome")
	m.tokens = m.counter("sluice_tokens_total", "Token requests, by outcome (issued, or the OAuth error).", "outcome")
	m.denied = m.counter("sluice_denied_total", "Requests for what is not the caller's, by reason.", "reason")
	m.downloads = m.counter("sluice_downloads_total", "Transfers of files, by coding (gzip, identity) and outcome (whole, broken).", "coding", "outcome")
	m.sent = m.counter("sluice_download_bytes_total", "Bytes of files sent to clients, by coding.", "coding")
	m.rows = m.counter("sluice_rows_written_total", "Resources written to files, by resource type.", "type")
	m.storage = m.counter("sluice_storage_errors_total", "Storage operations that failed, by operation.", "op")
	m.swept = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_janitor_last_round_timestamp_seconds", Help: "When the janitor last went through all exports, in Unix time; 0: not yet.",
	})
	m.removed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_janitor_removed_total", Help: "Objects removed by the janitor: of cancelled and expired exports, and what no record names.",
	})
	m.registry.MustRegister(m.swept, m.removed)
	m.audit = m.counter("sluice_audit_events_total", "Audit events, by type and outcome; outcome lost: could not be written.", "type", "outcome")
	return m
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second, ErrorHandling: promhttp.ContinueOnError})
}

// Request counts an answer to a client. Route is a template, never a path.
func (m *Metrics) Request(route, method string, status int, took time.Duration) {
	code := "other"
	if status >= 100 && status < 600 {
		code = strconv.Itoa(status)
	}
	m.requests.WithLabelValues(m.labels.word("route", route), m.labels.word("method", method), code).Observe(took.Seconds())
}

// Kickoff counts a kick-off by its level and outcome.
func (m *Metrics) Kickoff(level, outcome string) {
	m.kickoffs.WithLabelValues(m.labels.word("level", level), m.labels.word("outcome", outcome)).Inc()
}

// Token counts a token request.
func (m *Metrics) Token(outcome string) {
	m.tokens.WithLabelValues(m.labels.word("token", outcome)).Inc()
}

// Denied counts a request for what is not the caller's.
func (m *Metrics) Denied(reason string) {
	m.denied.WithLabelValues(m.labels.word("reason", reason)).Inc()
}

// Download counts one transfer of a file, whole or broken off.
func (m *Metrics) Download(coding string, bytes int64, whole bool) {
	outcome := "whole"
	if !whole {
		outcome = "broken"
	}
	coding = m.labels.word("coding", coding)
	m.downloads.WithLabelValues(coding, outcome).Inc()
	m.sent.WithLabelValues(coding).Add(float64(max(bytes, 0)))
}

// Rows counts resources written.
func (m *Metrics) Rows(typ string, n int64) {
	m.rows.WithLabelValues(m.labels.word("type", typ)).Add(float64(max(n, 0)))
}

// StorageError counts a storage operation that failed.
func (m *Metrics) StorageError(op string) {
	m.storage.WithLabelValues(m.labels.word("op", op)).Inc()
}

// Swept notes a whole round of the janitor and the objects that it removed.
func (m *Metrics) Swept(removed int64) {
	m.swept.SetToCurrentTime()
	m.removed.Add(float64(max(removed, 0)))
}

// AuditEvent counts an audit event; err is what writing it returned.
func (m *Metrics) AuditEvent(typ, outcome string, err error) {
	if err != nil {
		outcome = "lost"
	}
	m.audit.WithLabelValues(m.labels.word("event", typ), m.labels.word("outcome", outcome)).Inc()
}
