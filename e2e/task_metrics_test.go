package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// scraped is an answer of the metrics' listener: each series' value, as it is written.
func scraped(t *testing.T, address, path string) (series map[string]string, status int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	answer, err := client.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	series = map[string]string{}
	for line := range strings.Lines(string(text)) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			series[line[:i]] = strings.TrimSpace(line[i:])
		}
	}
	return series, answer.StatusCode
}

// metricsPort is beside the ports of the harness's tasks.
const metricsPort = "9903"

// withMetrics asks for the metrics' listener, and for CloudWatch's in the log.
func withMetrics(c map[string]any) {
	address := c["task"].(map[string]any)["address"].(string)
	c["admin"] = map[string]any{"metrics": net.JoinHostPort(address, metricsPort)}
	c["log"] = map[string]any{"emf": map[string]any{"namespace": "Shop", "interval": "1s"}}
}

// A scrape has what the task, its Envoy and its agent tell, also while one of them does not
// answer; the log has a line each interval, and one of the life.
func TestTaskMetrics(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	web := startTask(t, server, "met-web", "web", withMetrics)
	web.up(t)
	address := net.JoinHostPort(web.address, metricsPort)
	var got map[string]string
	harness.Eventually(t, soon, "the agent's own, which it collects every second", func() error {
		got, _ = scraped(t, address, "/metrics")
		for series := range got {
			if strings.HasPrefix(series, "consul_runtime_num_goroutines") {
				return nil
			}
		}
		return fmt.Errorf("%d series, none of the agent's runtime", len(got))
	})
	for series, want := range map[string]string{
		"meshtask_up": "1", `meshtask_state{state="running"}`: "1", `meshtask_condition{name="envoy-live"}`: "1", `meshtask_unit_up{unit="consul-agent"}`: "1",
		`meshtask_scrape_source_up{source="envoy"}`: "1", `meshtask_scrape_source_up{source="consul-agent"}`: "1", `meshtask_processes{process="meshtask"}`: "1",
		"meshtask_stop_budget_seconds": "29.3",
	} {
		if got[series] != want {
			t.Errorf("%s is %q, want %q", series, got[series], want)
		}
	}
	for _, prefix := range []string{`meshtask_process_cpu_seconds_total{process="envoy"}`, `meshtask_process_resident_memory_bytes{process="app"}`, `meshtask_process_open_fds{process="consul-agent"}`,
		`meshtask_mark_seconds{mark="T2",way="up"}`, "envoy_server_live{", "envoy_listener_manager_lds_update_success{", "consul_client_rpc", "consul_runtime_num_goroutines"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(s string) bool { return strings.HasPrefix(s, prefix) }) {
			t.Errorf("no %s", prefix)
		}
	}
	for series := range got {
		if strings.HasPrefix(series, "go_") || strings.HasPrefix(series, "envoy_runtime") || strings.HasPrefix(series, "consul_raft") {
			t.Errorf("%s is not on a list", series)
		}
	}
	for _, path := range []string{"/", "/status", "/health"} {
		if _, status := scraped(t, address, path); status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
	}
	pid := web.pid(t, "consul-agent", 1)
	freeze(t, pid)
	beside, status := scraped(t, address, "/metrics")
	if status != http.StatusOK || beside["meshtask_up"] != "1" || beside[`meshtask_scrape_source_up{source="consul-agent"}`] != "0" || beside[`meshtask_scrape_source_up{source="envoy"}`] != "1" {
		t.Errorf("beside an agent that hangs: status %d, up %s, envoy %s", status, beside["meshtask_up"], beside[`meshtask_scrape_source_up{source="envoy"}`])
	}
	thaw(t, pid)
	harness.Eventually(t, soon, "two lines of the interval", func() error {
		if n := strings.Count(web.Output(), `"Line":"interval"`); n < 2 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	web.term(t)
	web.ended(t, 0)
	lines := embedded(t, web.Output())
	life := lines[len(lines)-1]
	if life["Line"] != "life" || life["Service"] != "web" || life["Lives"] != 1.0 || life["Exit"] != 0.0 || life["EnvoyPeakMemory"] == nil || life["StopTime"] == nil || life["DrainInFlight"] == nil {
		t.Errorf("the line of the life: %v", life)
	}
	if last := lines[len(lines)-2]; lines[0]["Line"] != "interval" || last["MeshtaskMemory"] == nil || last["MeshtaskCPU"] == nil {
		t.Errorf("the lines of the interval: %v … %v", lines[0], last)
	}
}

// embedded are the log's lines for CloudWatch.
func embedded(t *testing.T, log string) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, `{"`) || !strings.Contains(line, `"_aws"`) {
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Errorf("%v in %s", err, line)
		}
		lines = append(lines, doc)
	}
	if len(lines) < 3 {
		t.Fatalf("%d lines for CloudWatch in\n%s", len(lines), log)
	}
	return lines
}

// An agent whose token may not read metrics refuses once, without a line in the log; the scrape
// goes on without it.
func TestTaskMetricsDenied(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	service := b.grant(t, "web", `service "web" { policy = "write" } service "web-sidecar-proxy" { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`)
	const client = `node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`
	agent, reader := b.grant(t, "client", client), b.grant(t, "reader", client+` agent_prefix "ecs-" { policy = "read" }`)
	start := func(name, token string) member {
		m := prepare(t, b.consul, name, "web", func(c map[string]any) {
			withMetrics(c)
			c["acl"] = map[string]any{"serviceToken": "env:SERVICE", "agentToken": "env:AGENT"}
		})
		m.Task = harness.StartTask(t, harness.TaskConfig{Name: name, Config: m.config, Env: []string{"SERVICE=" + service, "AGENT=" + token},
			CMD: []string{harness.App(t), "--name", name, "--listen", m.address + ":8080"}})
		m.up(t)
		return m
	}
	other := start("met-read", reader)
	if got, _ := scraped(t, net.JoinHostPort(other.address, metricsPort), "/metrics"); got[`meshtask_scrape_source_up{source="consul-agent"}`] != "1" || got["consul_client_rpc"] == "" {
		t.Errorf("with agent:read: %v", got[`meshtask_scrape_source_up{source="consul-agent"}`])
	}
	other.term(t)
	other.ended(t, 0)
	m := start("met-acl", agent)
	for range 3 {
		got, status := scraped(t, net.JoinHostPort(m.address, metricsPort), "/metrics")
		if status != http.StatusOK || got[`meshtask_scrape_source_up{source="consul-agent"}`] != "0" || got[`meshtask_scrape_source_up{source="envoy"}`] != "1" {
			t.Errorf("status %d, %v", status, got[`meshtask_scrape_source_up{source="consul-agent"}`])
		}
	}
	m.term(t)
	m.ended(t, 0)
	if out := m.Output(); strings.Contains(out, "/v1/agent/metrics") || strings.Contains(out, service) || strings.Contains(out, agent) {
		t.Errorf("the log has a refusal, or a token:\n%s", out)
	}
}

// An address that is taken is said before anything starts.
func TestTaskMetricsAddressTaken(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := prepare(t, server, "met-taken", "web", withMetrics)
	l, err := net.Listen("tcp", net.JoinHostPort(m.address, metricsPort))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m = m.start(t)
	m.ended(t, 210)
	if out := m.Output(); !strings.Contains(out, "cannot bind admin.metrics") || !strings.Contains(out, "admin-address-taken") {
		t.Errorf("%s", out)
	}
	m.without(t, "up", "consul-agent", "start", "")
}
