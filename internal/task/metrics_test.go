package task

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"meshtask/internal/config"
	"meshtask/internal/plan"
)

// Envoy's statistics stand behind ours, where it answers; where it does not, ours say so.
func TestMetricsOfEnvoy(t *testing.T) {
	b := newBed(t)
	tk, u := wired(t, b, load(t, config.Run, b.d.Local, `{`+meshDoc+`}`, nil, sh("true")...))
	src := &source{tk, u}
	scrape := func() string {
		t.Helper()
		var out bytes.Buffer
		src.Metrics(t.Context(), &out)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		if _, err := parser.TextToMetricFamilies(strings.NewReader(out.String())); err != nil {
			t.Errorf("no exposition: %v\n%s", err, out.String())
		}
		return out.String()
	}
	const up, down = `meshtask_scrape_source_up{source="envoy"} 1`, `meshtask_scrape_source_up{source="envoy"} 0`
	if got := scrape(); !strings.Contains(got, down) || !strings.Contains(got, "meshtask_up 0") {
		t.Errorf("no Envoy yet:\n%s", got)
	}
	if err := b.d.Dir.Write(plan.BootstrapFile, []byte(`{"stats_config":{"stats_tags":[{"tag_name":"local_cluster","fixed_value":"web"}]}}`)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", tk.plan.Envoy.AdminAddress(b.d.Dir.Path))
	if err != nil {
		t.Fatal(err)
	}
	var broken atomic.Bool
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case broken.Load():
			http.Error(w, "no", http.StatusInternalServerError)
		case r.URL.Path == "/stats":
			fmt.Fprintln(w, "http.upstream.api.default.dc1.downstream_rq_total: 5")
		default:
			fmt.Fprint(w, "# TYPE envoy_http_api_default_dc1_downstream_rq_total counter\n"+
				"envoy_http_api_default_dc1_downstream_rq_total{local_cluster=\"web\",envoy_http_conn_manager_prefix=\"upstream\"} 5\n")
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	got := scrape()
	own, envoys := strings.Index(got, "meshtask_up 0"), strings.Index(got, `envoy_http_downstream_rq_total{consul_upstream_service="api"`)
	if !strings.Contains(got, up) || own < 0 || envoys < own {
		t.Errorf("with an Envoy:\n%s", got)
	}
	broken.Store(true)
	if got := scrape(); !strings.Contains(got, down) || strings.Contains(got, "envoy_") {
		t.Errorf("with one that fails:\n%s", got)
	}
	os.Remove(b.d.Dir.Path(plan.BootstrapFile))
	if got := scrape(); !strings.Contains(got, down) {
		t.Errorf("without a document:\n%s", got)
	}
}

// A task without a mesh has no Envoy, and does not say that it is down.
func TestMetricsWithoutEnvoy(t *testing.T) {
	b := newBed(t)
	tk, u := wired(t, b, load(t, config.NoMesh, b.d.Local, `{}`, nil, sh("true")...))
	var out bytes.Buffer
	(&source{tk, u}).Metrics(t.Context(), &out)
	if !strings.Contains(out.String(), "meshtask_up 0") || strings.Contains(out.String(), "scrape_source_up") {
		t.Errorf("%s", out.String())
	}
}
