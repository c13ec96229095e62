package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"meshtask/acl"
)

// server answers /metrics and /health. Until ready is closed there is no
// controller to ask.
func (k *controller) server(ready <-chan struct{}) *http.Server {
	unit := func() *acl.Controller {
		select {
		case <-ready:
			return k.unit
		default:
			return nil
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var s acl.Stats
		if u := unit(); u != nil {
			s = u.Stats()
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(controllerMetrics(s)) // the caller has gone
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		ok, what := false, "starting"
		if u := unit(); u != nil {
			ok, what = u.Health(time.Now())
		}
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, what)
	})
	return &http.Server{Handler: mux, ReadHeaderTimeout: 2 * time.Second}
}

// controllerMetrics is the state in Prometheus' text format, written by hand for
// the reason that task.Metrics has.
func controllerMetrics(s acl.Stats) []byte {
	var b bytes.Buffer
	head := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	gauge := func(name, help string, v float64) {
		head(name, "gauge", help)
		fmt.Fprintf(&b, "%s %g\n", name, v)
	}
	truth := map[bool]float64{true: 1}
	gauge("meshtask_acl_leading", "1 while this controller works, 0 while it stands by.", truth[s.Leading])
	head("meshtask_acl_sweeps_total", "counter", "Sweeps that have ended.")
	fmt.Fprintf(&b, "meshtask_acl_sweeps_total{result=\"ok\"} %d\nmeshtask_acl_sweeps_total{result=\"failed\"} %d\n", s.Sweeps-s.Failed, s.Failed)
	gauge("meshtask_acl_sweep_seconds", "How long the last sweep took.", s.SweepTime.Seconds())
	last := 0.0
	if !s.LastSuccess.IsZero() {
		last = float64(s.LastSuccess.UnixMilli()) / 1000
	}
	gauge("meshtask_acl_last_success_timestamp_seconds", "End of the last sweep without a failure; 0: none yet.", last)
	gauge("meshtask_acl_tasks", "Tasks listed by the last sweep.", float64(s.Tasks))
	gauge("meshtask_acl_tasks_skipped", "Of these, tasks that get no token.", float64(s.Skipped))
	gauge("meshtask_acl_services", "Services with tasks.", float64(s.Services))
	gauge("meshtask_acl_tokens", "Service tokens of this cluster.", float64(s.Tokens))
	gauge("meshtask_acl_findings", "What could not be mended; the log names it.", float64(s.Findings))
	head("meshtask_acl_operations_total", "counter", "Writes carried out.")
	for _, op := range slices.Sorted(maps.Keys(s.Operations)) {
		fmt.Fprintf(&b, "meshtask_acl_operations_total{operation=%q} %d\n", op, s.Operations[op])
	}
	head("meshtask_acl_api_calls_total", "counter", "API calls.")
	calls := slices.SortedFunc(maps.Keys(s.Calls), func(a, b acl.Call) int {
		return cmp.Or(cmp.Compare(a.API, b.API), cmp.Compare(a.Result, b.Result))
	})
	for _, c := range calls {
		fmt.Fprintf(&b, "meshtask_acl_api_calls_total{api=%q,result=%q} %d\n", c.API, c.Result, s.Calls[c])
	}
	return b.Bytes()
}
