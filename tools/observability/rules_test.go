// Package observability checks what deploy/observability holds with Prometheus' own parser and
// engine. It is a module of its own, so that the product does not require Prometheus.
package observability

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

const dir = "../../deploy/observability/"

func rules(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(dir+"prometheus-rules.yaml", false, model.UTF8Validation)
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil || len(errs) > 0 {
		t.FailNow()
	}
	all := map[string]rulefmt.Rule{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s lacks a summary, a description or a severity", r.Alert)
			}
			all[r.Alert] = r
		}
	}
	return all
}

// Every expression of the dashboard is one.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(dir + "grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			n++
			if _, err := parser.ParseExpr(strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")); err != nil {
				t.Errorf("%s: %v\n%s", p.Title, err, target.Expr)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d expressions", n)
	}
}

// Each alert fires when what it is about is so, and only then. The series are of an hour; the
// expression is asked at its end, so "for" does not count.
func TestAlerts(t *testing.T) {
	const (
		is     = ` 1x60`
		rises  = ` 0+1x60`
		no     = ` 0x60`
		labels = `instance="a", job="m"`
	)
	series := func(name, more, values string) string {
		if more != "" {
			more = ", " + more
		}
		return name + "{" + labels + more + "}" + values
	}
	up := series("meshtask_state", `state="running"`, is)
	cases := map[string]struct{ fires, quiet []string }{
		"MeshtaskUnhealthy": {[]string{series("meshtask_up", "", is), series("meshtask_healthy", "", no)}, []string{series("meshtask_up", "", no), series("meshtask_healthy", "", no)}},
		"MeshtaskConditionFails": {[]string{up, series("meshtask_condition", `name="upstream:api"`, no)},
			[]string{up, series("meshtask_condition", `name="restarts"`, no), series("meshtask_condition", `name="envoy-live"`, is)}},
		"MeshtaskStartIsSlow":         {[]string{series("meshtask_state", `state="starting"`, is)}, []string{series("meshtask_state", `state="starting"`, no)}},
		"MeshtaskRestarts":            {[]string{series("meshtask_unit_restarts_total", `unit="envoy"`, rises)}, []string{series("meshtask_unit_restarts_total", `unit="envoy"`, " 2x60")}},
		"MeshtaskOutOfMemory":         {[]string{series("meshtask_out_of_memory_kills_total", "", " 0x55 1x5")}, []string{series("meshtask_out_of_memory_kills_total", "", " 3x60")}},
		"MeshtaskStopUsesItsBudget":   {[]string{series("meshtask_stop_elapsed_seconds", "", " 25x60"), series("meshtask_stop_budget_seconds", "", " 29.3x60")}, []string{series("meshtask_stop_elapsed_seconds", "", " 5x60"), series("meshtask_stop_budget_seconds", "", " 29.3x60")}},
		"MeshtaskChecksAreNotWritten": {[]string{series("meshtask_sync_writes_total", `result="failed"`, rises)}, []string{series("meshtask_sync_writes_total", `result="ok"`, rises), series("meshtask_sync_writes_total", `result="failed"`, " 4x60")}},
		"MeshtaskMetadataFails":       {[]string{series("meshtask_metadata_requests_total", `result="timeout"`, rises)}, []string{series("meshtask_metadata_requests_total", `result="ok"`, rises)}},
		"MeshtaskSourceIsMissing":     {[]string{series("meshtask_scrape_source_up", `source="envoy"`, no)}, []string{series("meshtask_scrape_source_up", `source="consul-agent"`, no)}}, // its token may not allow it
		"MeshtaskLogLinesDropped":     {[]string{series("meshtask_log_lines_dropped_total", "", rises)}, []string{series("meshtask_log_lines_dropped_total", "", no)}},
		"MeshUpstreamFails": {[]string{series("envoy_cluster_upstream_rq_xx", `consul_destination_service="api", envoy_response_code_class="5"`, rises), series("envoy_cluster_upstream_rq_xx", `consul_destination_service="api", envoy_response_code_class="2"`, rises)},
			[]string{series("envoy_cluster_upstream_rq_xx", `consul_destination_service="api", envoy_response_code_class="5"`, rises), series("envoy_cluster_upstream_rq_xx", `consul_destination_service="api", envoy_response_code_class="2"`, " 0+99x60")}},
		"MeshUpstreamHasNoInstance": {[]string{series("envoy_cluster_membership_healthy", `consul_destination_service="api"`, no)},
			[]string{series("envoy_cluster_membership_healthy", `consul_destination_service="api", consul_destination_target="a"`, no), series("envoy_cluster_membership_healthy", `consul_destination_service="api", consul_destination_target="b"`, is), series("envoy_cluster_membership_healthy", `envoy_cluster_name="local_app"`, no)}},
		"MeshIntentionsDeny":            {[]string{series("envoy_http_rbac_denied", "", rises)}, []string{series("envoy_rbac_denied", "", no), series("envoy_http_rbac_denied", "", no)}},
		"MeshEnvoyRefusesConfiguration": {[]string{series("envoy_cluster_manager_cds_update_rejected", "", rises)}, []string{series("envoy_listener_manager_lds_update_rejected", "", no)}},
		"MeshServersFail":               {[]string{series("consul_client_rpc_failed", "", rises)}, []string{series("consul_client_rpc_failed", "", " 7x60")}},
		"MeshAgentCertificateEnds":      {[]string{series("consul_agent_tls_cert_expiry", "", " 3600x60")}, []string{series("consul_agent_tls_cert_expiry", "", no)}}, // no TLS
	}
	for alert := range rules(t) {
		if _, ok := cases[alert]; !ok {
			t.Errorf("%s has no case", alert)
		}
	}
	for alert, c := range cases {
		t.Run(alert, func(t *testing.T) {
			r, ok := rules(t)[alert]
			if !ok {
				t.Fatal("there is no such alert")
			}
			if n := fired(t, r.Expr, c.fires); n != 1 {
				t.Errorf("fires %d times for %s", n, c.fires)
			}
			if n := fired(t, r.Expr, c.quiet); n != 0 {
				t.Errorf("fires %d times for %s", n, c.quiet)
			}
		})
	}
}

// fired is how many alerts an expression has at the end of the series.
func fired(t *testing.T, expr string, series []string) int {
	t.Helper()
	store := promqltest.LoadedStorage(t, "load 1m\n  "+strings.Join(series, "\n  ")+"\n")
	defer store.Close()
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 50_000)
	q, err := engine.NewInstantQuery(t.Context(), store, nil, expr, time.Unix(0, 0).Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	v, err := q.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", expr, err))
	}
	return len(v)
}
