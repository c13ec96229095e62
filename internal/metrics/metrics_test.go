package metrics

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"meshtask/internal/event"
	"meshtask/internal/state"
	"meshtask/internal/usage"
)

// everything is a snapshot in which there is something to tell for each metric.
func everything() Snapshot {
	now := time.Unix(1_700_000_000, 0)
	return Snapshot{
		Version: "v1", Kind: "mesh", Service: "web", Uptime: time.Minute, Phase: "STOPPING", Up: true, Healthy: true,
		Conditions: []state.Condition{{Name: "app-ready", OK: true, Since: now}, {Name: "upstream:api", Since: now}},
		Units:      []state.Unit{{Unit: "envoy", State: state.Running, Restarts: 2}, {Unit: "app", State: state.Waiting}},
		Waits:      map[string]time.Duration{"app": 5 * time.Second}, Marks: map[string]map[string]float64{event.Up: {"T0": 12.5}, event.Down: {"T0": 60_000}},
		Kills: map[string]int{"app": 1}, OOM: 1, Leases: &Leases{1, 1}, Drained: &state.Drain{Start: 3, End: 1, Ms: 1500},
		StopBudget: 29300 * time.Millisecond, Stopping: time.Second, Writes: &Results{5, 1}, Requests: map[string]int64{"ok": 3, "timeout": 1},
		Processes: []usage.Usage{{Name: "meshtask", Processes: 1, CPU: 1.25, Memory: 1 << 20, Files: 9}, {Name: "app", Processes: 2, Files: -1}},
		LinesLost: 4, Sources: []Source{{"envoy", true, time.Millisecond}, {"consul-agent", false, 0}},
	}
}

func gathered(t *testing.T, s Snapshot) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(Collector(s)); err != nil {
		t.Fatal(err)
	}
	return registry
}

// Prometheus' own linter has nothing to say of names, types and texts.
func TestLint(t *testing.T) {
	families, err := gathered(t, everything()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Each metric is told, and none that is not in the table.
func TestEachMetricIsTold(t *testing.T) {
	families, err := gathered(t, everything()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, f := range families {
		told[f.GetName()] = true
	}
	for _, m := range Table() {
		if !told[m.Name] {
			t.Errorf("%s is not told", m.Name)
		}
		delete(told, m.Name)
		if !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: %q is no sentence", m.Name, m.Help)
		}
	}
	if len(told) > 0 {
		t.Errorf("told without a row: %v", slices.Collect(maps.Keys(told)))
	}
}

func TestValues(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, everything()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`meshtask_condition{name="upstream:api"} 0`, `meshtask_condition_changed_timestamp_seconds{name="app-ready"} 1.7e+09`,
		`meshtask_unit_restarts_total{unit="envoy"} 2`, `meshtask_unit_wait_seconds{unit="app"} 5`, `meshtask_unit_state{state="waiting",unit="app"} 1`, `meshtask_unit_state{state="up",unit="app"} 0`,
		`meshtask_mark_seconds{mark="T0",way="up"} 0.0125`, `meshtask_drain_seconds 1.5`, `meshtask_drain_cut 1`, `meshtask_stop_budget_seconds 29.3`,
		`meshtask_sync_writes_total{result="failed"} 1`, `meshtask_metadata_requests_total{result="timeout"} 1`, `meshtask_state{state="stopping"} 1`,
		`meshtask_process_cpu_seconds_total{process="meshtask"} 1.25`, `meshtask_process_open_fds{process="meshtask"} 9`, `meshtask_processes{process="app"} 2`,
		`meshtask_scrape_source_up{source="consul-agent"} 0`, `meshtask_leases{state="lost"} 1`, `meshtask_info{kind="mesh",service="web",version="v1"} 1`,
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(out.String(), `open_fds{process="app"}`) {
		t.Error("what the kernel does not tell is told")
	}
}

// A task of which little is known is told too.
func TestLittleIsKnown(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Of(state.New("app"), time.Now())); err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"meshtask_drain_", "meshtask_sync_", "meshtask_metadata_", "meshtask_leases", "meshtask_scrape_source"} {
		if strings.Contains(out.String(), absent) {
			t.Errorf("%s is told:\n%s", absent, out.String())
		}
	}
}

func TestOf(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	s := state.New("envoy", "app")
	at := func(ms int, unit string, way string, e event.Event) {
		s.Apply(event.Entry{At: begin.Add(time.Duration(ms) * time.Millisecond), Ms: float64(ms), Way: way, Unit: unit, Event: e})
	}
	at(1, "app", event.Up, event.Waiting{What: "envoy"})
	at(10, event.Task, event.Up, event.Mark{Name: "T2"})
	at(20, "app", event.Up, event.Lease{Name: "web"})
	at(21, "app", event.Up, event.Lease{Name: "cron"})
	at(22, "app", event.Up, event.LeaseLost{Name: "cron"})
	at(23, "app", event.Up, event.OutOfMemory{Process: "app", Kills: 2})
	at(1000, event.Task, event.Down, event.Shutdown{Cause: "TERM"})
	at(1001, "inbound", event.Down, event.Drained{Start: 3, End: 1, Ms: 400})
	at(1002, "app", event.Down, event.Killed{Name: "app"})         // the order
	at(1003, "app", event.Down, event.Killed{Name: "app", PID: 7}) // carried out
	got := Of(s, begin.Add(3*time.Second))
	if got.Phase != "STOPPING" || got.Up || got.Stopping != 2*time.Second || got.OOM != 2 || got.Kills["app"] != 1 || *got.Leases != (Leases{1, 1}) ||
		got.Drained == nil || got.Drained.End != 1 || got.Waits["app"] != 2999*time.Millisecond || got.Marks[event.Up]["T2"] != 10 {
		t.Errorf("%+v", got)
	}
}

// What others tell is kept by name, and a text that is none spoils nothing.
func TestFilter(t *testing.T) {
	const text = "# HELP consul_client_rpc Calls.\n# TYPE consul_client_rpc counter\nconsul_client_rpc 28\n" +
		"# TYPE go_goroutines gauge\ngo_goroutines 83\n# TYPE consul_serf_member_flap counter\nconsul_serf_member_flap{network=\"lan\"} 2\n" +
		"# TYPE consul_client_rpc_error_catalog_nodes counter\nconsul_client_rpc_error_catalog_nodes 1\n"
	got, err := Filter([]byte(text), Keep(AgentMetrics()))
	if err != nil {
		t.Fatal(err)
	}
	const want = "# HELP consul_client_rpc Calls.\n# TYPE consul_client_rpc counter\nconsul_client_rpc 28\n" +
		"# TYPE consul_serf_member_flap counter\nconsul_serf_member_flap{network=\"lan\"} 2\n"
	if string(got) != want {
		t.Errorf("%s", got)
	}
	for _, bad := range []string{"Permission denied", "# TYPE a counter\na{", "<html>", `{"Gauges":[]}`} {
		if got, err := Filter([]byte(bad), Keep(AgentMetrics())); err == nil {
			t.Errorf("%q was taken: %q", bad, got)
		}
	}
}

// Each row of the lists has a reason, in order, and names what is of its source.
func TestAllowed(t *testing.T) {
	for prefix, list := range map[string][]Allowed{"envoy_": EnvoyMetrics(), "consul_": AgentMetrics()} {
		seen := map[string]bool{}
		for _, a := range list {
			if !regexp.MustCompile("^"+prefix+`\w+\*?$`).MatchString(a.Names) || a.Reason == "" || seen[a.Names] {
				t.Errorf("%+v", a)
			}
			seen[a.Names] = true
		}
	}
}
