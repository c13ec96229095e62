package acl

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestMetrics has the names that dashboards have, and their values.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		m.run("missing")
		m.run("other", tagMesh, "no")
		c := m.controller(t)
		metrics := c.Metrics()
		scrape := func() string {
			w := httptest.NewRecorder()
			metrics.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
				t.Errorf("content type %q", kind)
			}
			return w.Body.String()
		}
		has := func(text string, want ...string) {
			t.Helper()
			for _, line := range want {
				if !strings.Contains(text, "\n"+line+"\n") {
					t.Errorf("no line %q in\n%s", line, text)
				}
			}
		}
		has("\n"+scrape(), "meshtask_acl_leading 0", "meshtask_acl_last_success_timestamp_seconds 0", `meshtask_acl_sweeps_total{result="ok"} 0`)
		work(t, c, 15*time.Second)
		has("\n"+scrape(),
			"# TYPE meshtask_acl_leading gauge", "# TYPE meshtask_acl_sweeps_total counter", "# TYPE meshtask_acl_api_calls_total counter",
			"meshtask_acl_leading 0", "meshtask_acl_sweep_seconds 0", "meshtask_acl_tasks 3", "meshtask_acl_tasks_skipped 1", "meshtask_acl_services 2",
			"meshtask_acl_tokens 1", "meshtask_acl_findings 1",
			`meshtask_acl_sweeps_total{result="ok"} 2`, `meshtask_acl_sweeps_total{result="failed"} 0`,
			`meshtask_acl_operations_total{operation="put token"} 1`,
			`meshtask_acl_api_calls_total{api="ecs:ListTasks",result="ok"} 2`)
	})
}
