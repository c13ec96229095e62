package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/config"
)

func TestChildrenGetNoSecretVariable(t *testing.T) {
	env := []string{"A=1", "CONSUL_HTTP_TOKEN=x", "TOKEN=y", "CONSUL_NAMESPACE=n", "B=2"}
	if diff := cmp.Diff([]string{"A=1", "CONSUL_NAMESPACE=n", "B=2"}, scrub(env, []string{"TOKEN", "CONSUL_HTTP_TOKEN"})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"A=1", "TOKEN=y", "B=2"}, ConsulFree(env)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"CONSUL_LICENSE=l", "CONSUL_LICENSE_PATH=/l"}, Licence(append([]string{"CONSUL_LICENSE=l", "CONSUL_LICENSE_PATH=/l"}, env...))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"A=1", "B=3"}, Merge([]string{"A=1", "B=2", "B=4"}, "B=3")); diff != "" {
		t.Error(diff)
	}
}

func TestUpstreamVariables(t *testing.T) {
	got := upstreams([]config.Upstream{{DestinationName: "api-v2.eu", LocalBindPort: 9191}, {DestinationName: "db", LocalBindAddress: "127.0.5.1", LocalBindPort: 1}})
	want := []string{"UPSTREAM_API_V2_EU_URL=http://127.0.0.1:9191", "UPSTREAM_API_V2_EU_HOST=127.0.0.1", "UPSTREAM_API_V2_EU_PORT=9191",
		"UPSTREAM_DB_URL=http://127.0.5.1:1", "UPSTREAM_DB_HOST=127.0.5.1", "UPSTREAM_DB_PORT=1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
