package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// A task with an upstream comes up in the documented order, is refused and then
// answered through both Envoys, and goes down in the documented order.
func TestTaskUpTrafficDown(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{Deny: true})
	server.HTTPServices(t)
	api := startTask(t, server, "api-1", "api", nil)
	web := prepare(t, server, "web-1", "web", func(c map[string]any) {
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
	})
	web = web.start(t, "--upstream", "http://"+web.address+":9191/")
	api.up(t)
	web.up(t)
	server.Passing(t, soon, "api", 1)
	server.Passing(t, soon, "web", 1)
	for _, m := range []member{api, web} {
		m.inOrder(t, "up", [3]string{"consul-agent", "start"}, [3]string{"", "step", "joined"}, [3]string{"", "step", "registered"},
			[3]string{"mesh-init", "ready"}, [3]string{"task", "mark", "T1"}, [3]string{"", "step", "listener"}, [3]string{"envoy", "ready"},
			[3]string{"task", "mark", "T2"}, [3]string{"", "step", "passing"})
	}

	answers(t, "http://"+web.address+":8080/call", 403, "RBAC")
	server.Allow(t, "web", "api")
	answers(t, "http://"+web.address+":8080/call", 200, "hello from api-1")
	answers(t, "http://"+web.address+":8080/env?name=UPSTREAM_API_URL", 200, fmt.Sprintf("http://%s:9191", web.address))

	web.term(t)
	api.term(t)
	for _, m := range []member{web, api} {
		s := m.ended(t, 0)
		if s.Reason != "TERM" || s.Left != "verified" || s.Deregistered != "verified" || len(s.Forced()) > 0 {
			t.Errorf("%s: summary %+v", m.Name, s)
		}
		if out := m.Output(); strings.Contains(out, "unknown service ID") {
			t.Errorf("%s: the agent was asked for what it has no more:\n%s", m.Name, out)
		}
		m.inOrder(t, "down", [3]string{"task", "mark", "T0"}, [3]string{"", "step", "critical"}, [3]string{"", "step", "removed"},
			[3]string{"", "step", "drained"}, [3]string{"app", "stop"}, [3]string{"app", "ended"}, [3]string{"envoy", "stop"},
			[3]string{"envoy", "ended"}, [3]string{"task", "mark", "T1"}, [3]string{"mesh-init", "ended"}, [3]string{"consul-agent", "stop"},
			[3]string{"", "step", "left"}, [3]string{"task", "mark", "T2"}, [3]string{"task", "mark", "T3"}, [3]string{"task", "exit"})
	}
	server.Empty(t, soon)
}

// TERM at any point of the way up is an ordinary end: 143 before the app has
// started, the app's own code after, and nothing is left at the servers.
func TestTaskTermDuringEachPhase(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	for _, phase := range []struct {
		name  string
		point [3]string
		code  int // 143: unless the app has started by the time that TERM arrives
	}{
		{"agent-starts", [3]string{"consul-agent", "start"}, 143},
		{"joined", [3]string{"", "step", "joined"}, 143},
		{"registered", [3]string{"", "step", "registered"}, 143},
		{"envoy-starts", [3]string{"envoy", "start"}, 143},
		{"listener", [3]string{"", "step", "listener"}, 143},
		{"app-starts", [3]string{"task", "mark", "T2"}, 0},
		{"app-not-ready", [3]string{"app", "start"}, 0},
		{"passing", [3]string{"", "step", "passing"}, 0},
	} {
		t.Run(phase.name, func(t *testing.T) {
			t.Parallel()
			var app []string
			if phase.name == "app-not-ready" {
				app = []string{"--slow-start", "1h"}
			}
			m := startTask(t, server, phase.name, phase.name, nil, app...)
			m.Await(t, soon, "up", phase.point[0], phase.point[1], phase.point[2])
			m.term(t)
			code := m.Wait(t, soon)
			entries, err := m.Timeline()
			_, started := harness.Find(entries, "up", "app", "start", "")
			if code != phase.code && !(started && code == 0) || err != nil {
				t.Errorf("exit code %d, want %d (%v):\n%s", code, phase.code, err, m.Tail(30))
			}
			m.gone(t)
			s := m.Summary(t)
			if len(s.Forced()) > 0 {
				t.Errorf("killed: %v\n%s", s.Killed, m.Tail(30))
			}
			m.unlisted(t, server)
		})
	}
}

// An Envoy whose listener is refused says LIVE and is of no use: the app is
// never started, and the log names the reason.
func TestTaskEnvoyNeverReady(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "refused", "refused", func(c map[string]any) {
		c["envoy"] = map[string]any{"readyTimeout": "3s"}
		c["proxy"] = map[string]any{"config": map[string]any{"envoy_public_listener_json": `{
			"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "public_listener:bad",
			"address": {"socket_address": {"address": "192.0.2.1", "port_value": 20000}},
			"filter_chains": [{"filters": [{"name": "envoy.filters.network.no_such_filter"}]}]}`}}
	})
	s := m.ended(t, 204)
	m.without(t, "", "app", "start", "")
	if s.Left != "verified" {
		t.Errorf("left: %s, want verified", s.Left)
	}
	if !strings.Contains(m.Output(), "no_such_filter") && !strings.Contains(m.Output(), "rejected") {
		t.Errorf("the log does not say why Envoy was not ready:\n%s", m.Tail(20))
	}
	server.Empty(t, soon)
}

// Without a server to join, nothing is registered and nothing else is started.
func TestTaskAgentNeverJoins(t *testing.T) {
	t.Parallel()
	nobody := &harness.Server{Address: harness.Address(t)}
	m := startTask(t, nobody, "alone", "alone", func(c map[string]any) {
		c["consulAgent"].(map[string]any)["joinTimeout"] = "3s"
	})
	s := m.ended(t, 202)
	m.without(t, "", "envoy", "start", "")
	m.without(t, "", "app", "start", "")
	if s.Left == "verified" {
		t.Error("the summary says that a leave was verified, and there was nobody to ask")
	}
	if !strings.Contains(m.Output(), nobody.Address) {
		t.Errorf("the log does not name the address that did not answer:\n%s", m.Tail(20))
	}
}

// An app that ignores TERM is killed at its budget, and Envoy, deregistration and
// leave still get theirs.
func TestTaskAppIgnoresTerm(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "deaf", "deaf", func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "8s"}
	}, "--term", "ignore")
	m.up(t)
	m.term(t)
	s := m.ended(t, 137)
	if !slices.Contains(s.Killed, "app") || s.Left != "verified" {
		t.Errorf("killed %v, left %s; want the app killed, and the leave verified", s.Killed, s.Left)
	}
	server.Empty(t, soon)
}

// The exit code of an app that ends by itself is the task's, and there is
// nothing to wait or drain for.
func TestTaskAppEndsByItself(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	const wait = 25 * time.Second
	m := startTask(t, server, "brief", "brief", func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "60s", "drain": map[string]any{"propagationWait": wait.String()}}
	}, "--life", "1s", "--code", "7")
	m.up(t)
	s := m.ended(t, 7)
	if d := s.Marks.Down["T1"] - s.Marks.Down["T0"]; d >= float64(wait.Milliseconds()) {
		t.Errorf("down T1 came %.0f ms after T0: the propagation wait protects nothing here", d)
	}
	server.Empty(t, soon)
}

// Two tasks of one service are two instances; the end of one leaves the other.
func TestTaskTwoOfOneService(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	a := startTask(t, server, "twin-a", "twin", nil)
	b := startTask(t, server, "twin-b", "twin", nil)
	a.up(t)
	b.up(t)
	server.Passing(t, soon, "twin", 2)
	a.term(t)
	a.ended(t, 0)
	server.Passing(t, soon, "twin", 1)
	b.term(t)
	b.ended(t, 0)
	server.Empty(t, soon)
}

// After a SIGKILL the children are gone, and the next life on the same directory
// comes up over what is left, with the same node.
func TestTaskStartsOverLeftovers(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	first := startTask(t, server, "again", "old-name", nil)
	first.up(t)
	node := nodeID(t, server, "ecs-again")
	first.Kill()
	harness.Eventually(t, soon, "the end of the killed task's children", func() error {
		if left := harness.Processes(first.Dir, first.address+":8080"); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})

	second := first
	second.config["service"] = map[string]any{"name": "new-name", "port": 8080}
	second.Task = harness.StartTask(t, harness.TaskConfig{Name: "again-2", Config: second.config, Dir: first.Dir,
		CMD: []string{harness.App(t), "--name", "again", "--listen", second.address + ":8080"}})
	second.up(t)
	if got := nodeID(t, server, "ecs-again"); got != node {
		t.Errorf("the node ID was %s and is %s: the data directory was not kept", node, got)
	}
	server.Passing(t, soon, "new-name", 1)
	server.Passing(t, soon, "old-name", 0)
	second.term(t)
	second.ended(t, 0)
	server.Empty(t, soon)
}

func nodeID(t *testing.T, server *harness.Server, node string) string {
	t.Helper()
	n, _, err := server.API.Catalog().Node(node, nil)
	if err != nil || n == nil {
		t.Fatalf("node %s: %v, %v", node, n, err)
	}
	return n.Node.ID
}

// A document of consul-ecs v0.4 works unchanged once it is told whom to join;
// identity and address come from the task metadata endpoint.
func TestTaskConsulECSConfig(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	address := harness.Address(t)
	dir := filepath.Join(t.TempDir(), "state")
	m := member{address: address}
	m.Task = harness.StartTask(t, harness.TaskConfig{
		Name: "legacy", Dir: dir, Args: []string{"run", "--retry-join", server.Address},
		Env: []string{
			"ECS_CONTAINER_METADATA_URI_V4=" + harness.Metadata(t, "Legacy", "0123456789abcdef0123456789abcdef", address),
			"CONSUL_ECS_CONFIG_JSON=" + `{"bootstrapDir":"` + dir + `","healthSyncContainers":[],
				"proxy":{"upstreams":[{"destinationName":"api","localBindPort":9191,"meshGateway":{"mode":"none"}}]},
				"service":{"name":null,"port":8080,"tags":["a"],"meta":{"team":"shop"},"checks":[],"unknown":1}}`,
			"CONSUL_LICENSE=licence", "CONSUL_LICENSE_PATH=/licence", "CONSUL_NAMESPACE=none",
		},
		CMD: []string{harness.App(t), "--name", "legacy", "--listen", address + ":8080"},
	})
	m.up(t)
	server.Passing(t, soon, "legacy", 1)
	entries, err := server.Instances("legacy")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	got := entries[0].Service
	want := map[string]string{"task-id": "0123456789abcdef0123456789abcdef", "source": "consul-ecs", "team": "shop",
		"ecs-zone": "us-east-1a", "ecs-revision": "1", "ecs-launch-type": "FARGATE",
		"task-arn": "arn:aws:ecs:us-east-1:123456789012:task/local/0123456789abcdef0123456789abcdef"}
	for k, v := range want {
		if got.Meta[k] != v {
			t.Errorf("meta %s is %q, want %q", k, got.Meta[k], v)
		}
	}
	if got.ID != "legacy-0123456789abcdef0123456789abcdef" || got.Port != 8080 {
		t.Errorf("registered as %s with port %d", got.ID, got.Port)
	}
	if l := got.Locality; l == nil || l.Region != "us-east-1" || l.Zone != "us-east-1a" {
		t.Errorf("locality %+v", l)
	}
	// As consul-ecs's agent did, ours answers DNS and gets the licence, which nobody else does.
	dns := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address+":8600")
	}}
	if found, err := dns.LookupHost(t.Context(), "legacy.service.consul."); err != nil || !slices.Equal(found, []string{address}) {
		t.Errorf("DNS: %v, %v, want %s", found, err, address)
	}
	for unit, want := range map[string][]string{"consul-agent": {"CONSUL_LICENSE=licence", "CONSUL_LICENSE_PATH=/licence"}, "envoy": nil, "app": {"CONSUL_LICENSE_PATH=/licence", "CONSUL_NAMESPACE=none"}} {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", m.pid(t, unit, 1)))
		got := slices.DeleteFunc(strings.Split(string(environ), "\x00"), func(kv string) bool {
			return !strings.HasPrefix(kv, "CONSUL_LICENSE") && !strings.HasPrefix(kv, "CONSUL_NAMESPACE")
		})
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s has %q, %v, want %q", unit, got, err, want)
		}
	}
	if !strings.Contains(m.Output(), "unknown") {
		t.Errorf("the unknown key is not told:\n%s", m.Tail(20))
	}
	m.term(t)
	m.ended(t, 0)
	server.Empty(t, soon)
}
