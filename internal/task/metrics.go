package task

import (
	"bytes"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"meshtask/internal/state"
)

// collector tells the state as metrics; it is asked at each scrape.
type collector struct {
	s                                     *source
	up, healthy, unitUp, restarts, uptime *prometheus.Desc
}

func newCollector(s *source) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("meshtask_"+name, help, labels, nil)
	}
	return &collector{s,
		desc("up", "1 when T2 was reached and no stop began."),
		desc("healthy", "1 when the task is up and its app healthy."),
		desc("unit_up", "1 while the unit is up.", "unit"),
		desc("unit_restarts_total", "Restarts of the unit's process.", "unit"),
		desc("uptime_seconds", "Seconds since the process began."),
	}
}

// Describe tells all metrics.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.healthy, c.unitUp, c.restarts, c.uptime} {
		to <- d
	}
}

// Collect tells the state of now.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(c.up, truth(c.s.Up()))
	healthy, _ := c.s.Health()
	gauge(c.healthy, truth(healthy))
	c.s.t.book.Read(func(now *state.State) {
		for _, u := range now.Rows() {
			gauge(c.unitUp, truth(u.State == state.Running), u.Unit)
			to <- prometheus.MustNewConstMetric(c.restarts, prometheus.CounterValue, float64(u.Restarts), u.Unit)
		}
	})
	gauge(c.uptime, time.Since(c.s.t.d.Begin).Seconds())
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Metrics is the state in Prometheus' text format. The registry is made when somebody asks:
// most tasks are never scraped.
func (s *source) Metrics() []byte {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(s))
	families, err := reg.Gather()
	if err != nil {
		return []byte("# " + err.Error() + "\n")
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			return []byte("# " + err.Error() + "\n")
		}
	}
	return b.Bytes()
}
