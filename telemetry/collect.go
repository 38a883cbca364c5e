package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Some numbers are not counted but asked for, at each scrape.

// JobStates asks states for the number of exports in each state; its error shows as sluice_state_up 0. Call it once.
func (m *Metrics) JobStates(states func(ctx context.Context) (map[string]int64, error)) {
	jobs := prometheus.NewDesc("sluice_jobs", "Exports by state, of all replicas.", []string{"state"}, nil)
	up := prometheus.NewDesc("sluice_state_up", "1 if the state (Redis or embedded) answers.", nil, nil)
	m.registry.MustRegister(collector{[]*prometheus.Desc{jobs, up}, func(emit func(prometheus.Metric)) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		got, err := states(ctx)
		emit(prometheus.MustNewConstMetric(up, prometheus.GaugeValue, number(err == nil)))
		for state, n := range got {
			if wordForm.MatchString(state) {
				emit(prometheus.MustNewConstMetric(jobs, prometheus.GaugeValue, float64(n), state))
			}
		}
	}})
}

// AuditReady asks ready if the audit log can be written. Call it once.
func (m *Metrics) AuditReady(ready func() error) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_audit_writable", Help: "1 if the audit log can be written.",
	}, func() float64 { return number(ready() == nil) }))
}

// UpstreamStats are the numbers of the client of the upstream. Counters only ever grow.
type UpstreamStats struct {
	Requests    map[string]int64 // sent, by class of the answer
	Retries     int64
	Pauses      int64
	PausedUntil time.Time // zero: no pause
	Refused     int64     // next links and redirects that led elsewhere
	Bytes       int64
	Breaker     string // "closed", "half-open", "open"
	InFlight    int
	Passthrough int
	Concurrency int
}

// Upstream asks stats what the client of the upstream does. Call it once.
func (m *Metrics) Upstream(stats func() UpstreamStats) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sluice_upstream_"+name, help, labels, nil)
	}
	var (
		requests = desc("requests_total", "Requests sent to the upstream, by class of the answer; error: none came.", "class")
		retries  = desc("retries_total", "Requests sent again after a failure.")
		pauses   = desc("pauses_total", "Times the upstream asked to wait.")
		paused   = desc("pause_remaining_seconds", "Time until the pause that the upstream asked for is over; 0: none.")
		refused  = desc("refused_links_total", "Next links and redirects that led elsewhere and were not followed.")
		bytes    = desc("received_bytes_total", "Bytes of bodies received from the upstream.")
		open     = desc("breaker_open", "1 while the breaker lets nothing through, 0.5 while it probes.")
		inFlight = desc("in_flight_requests", "Requests on their way, by kind (export, other).", "kind")
		most     = desc("concurrency_limit", "The most export requests in flight.")
	)
	counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
	m.registry.MustRegister(collector{[]*prometheus.Desc{requests, retries, pauses, paused, refused, bytes, open, inFlight, most}, func(emit func(prometheus.Metric)) {
		s := stats()
		put := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
			emit(prometheus.MustNewConstMetric(d, t, v, labels...))
		}
		for class, n := range s.Requests {
			if wordForm.MatchString(class) {
				put(requests, counter, float64(n), class)
			}
		}
		put(retries, counter, float64(s.Retries))
		put(pauses, counter, float64(s.Pauses))
		put(paused, gauge, max(0, time.Until(s.PausedUntil).Seconds()))
		put(refused, counter, float64(s.Refused))
		put(bytes, counter, float64(s.Bytes))
		put(open, gauge, map[string]float64{"open": 1, "half-open": 0.5}[s.Breaker])
		put(inFlight, gauge, float64(s.InFlight), "export")
		put(inFlight, gauge, float64(s.Passthrough), "other")
		put(most, gauge, float64(s.Concurrency))
	}})
}

// collector is a prometheus.Collector made of a func.
type collector struct {
	descs   []*prometheus.Desc
	collect func(emit func(prometheus.Metric))
}

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	c.collect(func(m prometheus.Metric) { ch <- m })
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
