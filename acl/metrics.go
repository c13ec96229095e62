package acl

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// staleAfter is how many intervals without one good sweep are too many.
const staleAfter = 6

// Health says whether the controller does its work, and what it does, in a line:
// it stands by, or its last good sweep is not long ago.
func (c *Controller) Health(now time.Time) (ok bool, what string) {
	s := c.stats.snapshot()
	if !s.leading {
		return true, "standing by"
	}
	since := s.lastSuccess
	if since.Before(s.leadingSince) {
		since = s.leadingSince
	}
	limit := max(time.Minute, staleAfter*c.cfg.Interval)
	switch age := now.Sub(since); {
	case age > limit:
		return false, fmt.Sprintf("no good sweep for %v", age.Round(time.Second))
	case s.lastSuccess.Before(s.leadingSince):
		return true, "waiting for a first good sweep"
	}
	return true, "working"
}

// Metrics answers with the controller's counters and gauges, in Prometheus' format.
func (c *Controller) Metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(c.stats)) // the only one there
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector gives a snapshot of the counters to Prometheus.
type collector struct {
	counters *counters

	gauges                    []gauge
	sweeps, operations, calls *prometheus.Desc
}

type gauge struct {
	desc  *prometheus.Desc
	value func(stats) float64
}

func newCollector(c *counters) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("meshtask_acl_"+name, help, labels, nil)
	}
	whole := func(n func(stats) int) func(stats) float64 { return func(s stats) float64 { return float64(n(s)) } }
	return &collector{
		counters:   c,
		sweeps:     desc("sweeps_total", "Sweeps that have ended.", "result"),
		operations: desc("operations_total", "Writes carried out.", "operation"),
		calls:      desc("api_calls_total", "API calls.", "api", "result"),
		gauges: []gauge{
			{desc("leading", "1 while this controller works, 0 while it stands by."), func(s stats) float64 {
				if s.leading {
					return 1
				}
				return 0
			}},
			{desc("sweep_seconds", "How long the last sweep took."), func(s stats) float64 { return s.sweepTime.Seconds() }},
			{desc("last_success_timestamp_seconds", "End of the last sweep without a failure; 0: none yet."), func(s stats) float64 {
				if s.lastSuccess.IsZero() {
					return 0
				}
				return float64(s.lastSuccess.UnixMilli()) / 1000
			}},
			{desc("tasks", "Tasks listed by the last sweep."), whole(func(s stats) int { return s.tasks })},
			{desc("tasks_skipped", "Of these, tasks that get no token."), whole(func(s stats) int { return s.skipped })},
			{desc("services", "Services with tasks."), whole(func(s stats) int { return s.services })},
			{desc("tokens", "Service tokens of this cluster."), whole(func(s stats) int { return s.tokens })},
			{desc("findings", "What operations cannot put right; the log names it."), whole(func(s stats) int { return s.findings })},
		},
	}
}

// Describe is prometheus.Collector's.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, g := range c.gauges {
		out <- g.desc
	}
	out <- c.sweeps
	out <- c.operations
	out <- c.calls
}

// Collect is prometheus.Collector's.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.counters.snapshot()
	for _, g := range c.gauges {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(s))
	}
	count := func(desc *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	count(c.sweeps, s.sweeps-s.failed, "ok")
	count(c.sweeps, s.failed, "failed")
	for op, n := range s.operations {
		count(c.operations, n, op)
	}
	for call, n := range s.calls {
		count(c.calls, n, call.api, call.result)
	}
}
