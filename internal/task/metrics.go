package task

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"meshtask/internal/state"
)

// collector tells the state as metrics. It is made for one scrape.
type collector struct {
	s                                                *source
	others                                           map[string]bool // whether each further source answered
	up, healthy, condition, unitUp, restarts, uptime *prometheus.Desc
	otherUp                                          *prometheus.Desc
}

func newCollector(s *source, others map[string]bool) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("meshtask_"+name, help, labels, nil)
	}
	return &collector{
		s, others,
		desc("up", "1 when T2 was reached and no stop began."),
		desc("healthy", "1 when the task is up and its app healthy."),
		desc("condition", "1 while the condition holds.", "name"),
		desc("unit_up", "1 while the unit is up.", "unit"),
		desc("unit_restarts_total", "Restarts of the unit's process.", "unit"),
		desc("uptime_seconds", "Seconds since the process began."),
		desc("scrape_source_up", "1 when the source's own metrics follow in this answer.", "source"),
	}
}

// Describe tells all metrics.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.healthy, c.condition, c.unitUp, c.restarts, c.uptime, c.otherUp} {
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
		for _, held := range now.Conditions(time.Now()) {
			gauge(c.condition, truth(held.OK), held.Name)
		}
		for _, u := range now.Rows() {
			gauge(c.unitUp, truth(u.State == state.Running), u.Unit)
			to <- prometheus.MustNewConstMetric(c.restarts, prometheus.CounterValue, float64(u.Restarts), u.Unit)
		}
	})
	for name, up := range c.others {
		gauge(c.otherUp, truth(up), name)
	}
	gauge(c.uptime, time.Since(c.s.t.d.Begin).Seconds())
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Metrics writes the state in Prometheus' text format, and behind it Envoy's statistics, if it
// answers. The registry is made when somebody asks: most tasks are never scraped.
func (s *source) Metrics(ctx context.Context, to io.Writer) {
	others := map[string]bool{}
	var page io.WriterTo
	if s.u.envoy != nil {
		var done func()
		var err error
		page, done, err = s.u.envoy.Read(ctx)
		defer done()
		if err != nil {
			s.t.d.Log.Debug("no statistics of Envoy", "error", err)
		}
		others["envoy"] = err == nil
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(s, others))
	families, err := reg.Gather()
	if err != nil {
		fmt.Fprintln(to, "#", err)
		return
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(to, f); err != nil {
			return // the reader is gone
		}
	}
	if page != nil {
		_, _ = page.WriteTo(to) // the reader may be gone
	}
}
