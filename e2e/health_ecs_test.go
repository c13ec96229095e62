package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// A sibling's ECS health is followed from the metadata endpoint to the servers'
// catalog and on to the Envoy of a task that calls us; an endpoint that fails
// says nothing, and asking it stays cheap.
func TestSiblingHealthReachesDownstream(t *testing.T) {
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	api := prepare(t, server, "api-1", "api", func(c map[string]any) { c["healthSyncContainers"] = []string{"worker"} })
	endpoint := harness.StartEndpoint(t, "api-1", "api", api.address, "mesh")
	api.Task = harness.StartTask(t, harness.TaskConfig{Name: "api-1", Config: api.config, Env: []string{"ECS_CONTAINER_METADATA_URI_V4=" + endpoint.URI},
		CMD: []string{harness.App(t), "--name", "api-1", "--listen", api.address + ":8080"}})
	web := startTask(t, server, "web-1", "web", func(c map[string]any) {
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
	})
	web.up(t)
	api.Await(t, soon, "up", "app", "ready", "")

	check := func(want string) {
		t.Helper()
		harness.Eventually(t, soon, "check of worker "+want, func() error {
			if got := catalogCheck(t, server, "api", "api-api-1-worker-consul-ecs"); got != want {
				return fmt.Errorf("it is %q", got)
			}
			return nil
		})
	}
	check("critical") // not there yet
	endpoint.Set("worker", "UNKNOWN", nil)
	endpoint.Set("log_router", "", nil)
	check("critical")

	turn := func(health, status string, healthy bool) {
		t.Helper()
		began := time.Now()
		endpoint.Set("worker", health, nil)
		check(status)
		catalog := time.Since(began)
		harness.Eventually(t, soon, "endpoint at the downstream Envoy", func() error { return endpointHealth(web, healthy) })
		t.Logf("%s: catalog after %v, downstream Envoy after %v", health, catalog.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
	turn("HEALTHY", "passing", true)
	turn("UNHEALTHY", "critical", false)
	turn("HEALTHY", "passing", true)
	for _, word := range []string{"UNKNOWN", "", "SPLENDID"} { // ECS does not vouch for it any more
		turn(word, "critical", false)
		turn("HEALTHY", "passing", true)
	}

	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError} {
		endpoint.Fail(status)
		before := endpoint.Calls()
		harness.Eventually(t, soon, "looks that failed", func() error {
			if n := endpoint.Calls() - before; n < 2 {
				return fmt.Errorf("%d", n)
			}
			return nil
		})
		if got := catalogCheck(t, server, "api", "api-api-1-worker-consul-ecs"); got != "passing" {
			t.Errorf("an endpoint that answers %d turned the check %s", status, got)
		}
		endpoint.Fail(0)
	}
	endpoint.Remove("worker")
	check("critical")

	api.term(t)
	api.ended(t, 0)
}

// catalogCheck is the status of one check of a service at the servers.
func catalogCheck(t *testing.T, server *harness.Server, service, id string) string {
	t.Helper()
	checks, _, err := server.API.Health().Checks(service, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if c.CheckID == id {
			return c.Status
		}
	}
	return "absent"
}

// endpointHealth asks the task's Envoy whether its upstream api has one endpoint
// of that health.
func endpointHealth(m member, healthy bool) error {
	socket := filepath.Join(m.Dir, "envoy-admin.sock")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: time.Second}).Get("http://envoy/clusters?format=json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var doc struct {
		Clusters []struct {
			Name  string `json:"name"`
			Hosts []struct {
				Health struct {
					EDS string `json:"eds_health_status"`
				} `json:"health_status"`
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return err
	}
	for _, c := range doc.Clusters {
		if !strings.HasPrefix(c.Name, "api.") {
			continue
		}
		if len(c.Hosts) == 1 && (c.Hosts[0].Health.EDS == "HEALTHY") == healthy {
			return nil
		}
		return fmt.Errorf("%s has %+v", c.Name, c.Hosts)
	}
	return fmt.Errorf("no cluster api")
}
