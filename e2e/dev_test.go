package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

// devTask starts a `meshtask dev` whose app listens where PORT says.
func devTask(t *testing.T, server, service, port string, config map[string]any, app ...string) *harness.Task {
	t.Helper()
	shell := []string{"sh", "-c", `exec "$0" --name ` + service + ` --listen "127.0.0.1:$PORT" ` + strings.Join(app, " "), harness.App(t)}
	return harness.StartTask(t, harness.TaskConfig{Name: service, Config: config, CMD: shell,
		Args: []string{"dev", "--server", server, "--service", service, "--port", port}})
}

// freePort is a port of 127.0.0.1 that no other test has, and no outgoing connection gets: it lies
// below the kernel's range for those.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := fmt.Sprint(12000 + rand.IntN(8000))
		claim, err := net.Listen("unix", "@meshtask-e2e/"+port)
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = claim.Close() })
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port of 127.0.0.1 is free")
	return ""
}

// In JSON the log is that from its first line to its last, what dev says of itself included.
func TestDevLogIsJSON(t *testing.T) {
	t.Parallel()
	m := devTask(t, harness.Address(t), "json", freePort(t), map[string]any{"log": map[string]any{"format": "json"}})
	m.Await(t, soon, "up", "", "step", "passing")
	interrupt(t, m)
	var said strings.Builder
	for line := range strings.Lines(m.Output()) {
		text, level, ok := parsed("json", line)
		if !ok && !strings.HasPrefix(line, "json ") { // the app's own
			t.Errorf("not JSON: %s", line)
		}
		if (level == "WARN" || level == "ERROR") && !starved(text) {
			t.Errorf("in a healthy life: %s", line)
		}
		said.WriteString(text + "\n")
	}
	if !strings.Contains(said.String(), "public listener 127.") {
		t.Errorf("dev says not where it listens:\n%s", said.String())
	}
}

// Two tasks are started in the same moment: one starts the server, the other
// joins it, each on an address of its own; one calls the other through the mesh.
// The port of one is taken, so it gets another. Ctrl-C ends all.
func TestDevTwoTasks(t *testing.T) {
	t.Parallel()
	server := harness.Address(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, takenPort, _ := net.SplitHostPort(taken.Addr().String())
	port := freePort(t)
	called := devTask(t, server, "api", takenPort, nil)
	calls := devTask(t, server, "web", port, map[string]any{
		"proxy": map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}},
	}, `--upstream "$UPSTREAM_API_URL"`)
	for _, k := range []*harness.Task{called, calls} {
		k.Await(t, soon, "up", "", "step", "passing")
	}
	answers(t, "http://127.0.0.1:"+port+"/call", 200, "hello from api")
	if out := called.Output(); !strings.Contains(out, "port "+takenPort+" of 127.0.0.1 is taken: the app gets PORT=") {
		t.Errorf("nothing is said of the taken port:\n%s", out)
	}
	metadata(t, port)

	owner, guest := called, calls
	if strings.Contains(calls.Output(), "starts a Consul server at "+server) {
		owner, guest = calls, called
	}
	for k, want := range map[*harness.Task]string{owner: "starts a Consul server at " + server + ", UI http://" + server + ":8500/ui", guest: "joins the Consul server at " + server} {
		if !strings.Contains(k.Output(), want) {
			t.Errorf("%s does not say %q:\n%s", k.Name, want, k.Output())
		}
	}
	consul := &harness.Server{API: harness.Client(t, server+":8500", "")}
	interrupt(t, guest)
	harness.Eventually(t, soon, "one node and its server", func() error {
		nodes, err := consul.Nodes()
		if err == nil && len(nodes) != 2 {
			err = fmt.Errorf("%v", nodes)
		}
		return err
	})
	interrupt(t, owner)
	if left := harness.Processes(owner.Dir, guest.Dir, server); len(left) > 0 {
		t.Errorf("processes live on:\n%s", strings.Join(left, "\n"))
	}
}

// Without an agent a task starts the server or asks it, and is in one mesh with others.
func TestDevAgentless(t *testing.T) {
	t.Parallel()
	server, port := harness.Address(t), freePort(t)
	agentless := func(service, port string, config map[string]any) *harness.Task {
		shell := []string{"sh", "-c", `exec "$0" --name ` + service + ` --listen "127.0.0.1:$PORT" --upstream "$UPSTREAM_API_URL"`, harness.App(t)}
		k := harness.StartTask(t, harness.TaskConfig{Name: service, CMD: shell, Config: config,
			Args: []string{"dev", "--agentless", "--server", server, "--service", service, "--port", port}})
		k.Await(t, soon, "up", "", "step", "passing")
		return k
	}
	owner := agentless("first", freePort(t), nil)
	called := devTask(t, server, "api", freePort(t), nil)
	called.Await(t, soon, "up", "", "step", "passing")
	calls := agentless("web", port, map[string]any{"proxy": map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}})
	answers(t, "http://127.0.0.1:"+port+"/call", 200, "hello from api")
	for k, want := range map[*harness.Task]string{owner: "no agent: starts a Consul server at " + server, calls: "no agent: asks the Consul server at " + server + ", UI http://" + server + ":8500/ui"} {
		if !strings.Contains(k.Output(), want) {
			t.Errorf("%s does not say %q:\n%s", k.Name, want, k.Output())
		}
	}
	interrupt(t, called)
	for _, k := range []*harness.Task{calls, owner} {
		if err := k.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code := k.Wait(t, soon); code != 0 {
			t.Errorf("exit code %d:\n%s", code, k.Tail(30))
		}
		if s := k.Summary(t); s.Left != "skipped" || s.Deregistered != "verified" {
			t.Errorf("%s: left %s, deregistered %s", k.Name, s.Left, s.Deregistered)
		}
	}
}

// interrupt is Ctrl-C, and a good end.
func interrupt(t *testing.T, k *harness.Task) {
	t.Helper()
	if err := k.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := k.Wait(t, soon); code != 0 {
		t.Errorf("%s: exit code %d:\n%s", k.Name, code, k.Tail(30))
	}
	if s := k.Summary(t); s.Left != "verified" || s.Deregistered != "verified" || len(s.Forced()) > 0 {
		t.Errorf("%s: left %s, deregistered %s, killed %v", k.Name, s.Left, s.Deregistered, s.Killed)
	}
}

// metadata asks as the app would: the endpoint is in its environment.
func metadata(t *testing.T, port string) {
	t.Helper()
	_, uri, err := fetch(t.Context(), "http://127.0.0.1:"+port+"/env?name=ECS_CONTAINER_METADATA_URI_V4")
	if err != nil || !strings.Contains(uri, "/v4/") {
		t.Fatalf("the app's endpoint is %q, %v", uri, err)
	}
	for path, want := range map[string]string{"": "Name", "/task": "Family", "/taskWithTags": "TaskTags", "/stats": "cpu_stats"} {
		status, body, err := fetch(t.Context(), uri+path)
		var doc map[string]any
		if err != nil || status != 200 || json.Unmarshal([]byte(body), &doc) != nil || doc[want] == nil {
			t.Errorf("%s: %d %s, %v", path, status, body, err)
		}
	}
}

// A server that is there is joined, and left as it was; a Ctrl-C before the app
// has started is an end like any other.
func TestDevInterruptedEarly(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	k := devTask(t, server.Address, "early", freePort(t), nil)
	k.Await(t, soon, "up", "consul-agent", "start", "")
	if err := k.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := k.Wait(t, soon); code != 130 {
		t.Errorf("exit code %d, want 130:\n%s", code, k.Tail(20))
	}
	server.Empty(t, soon)
	if _, err := server.API.Status().Leader(); err != nil {
		t.Errorf("the server is gone: %v", err)
	}
	if left := harness.Processes(k.Dir); len(left) > 0 {
		t.Errorf("processes live on:\n%s", strings.Join(left, "\n"))
	}
}

// As a job in CI: the command's exit code, and nobody is sent to it. The server may be given as
// CONSUL_HTTP_ADDR has it.
func TestDevJob(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	k := harness.StartTask(t, harness.TaskConfig{Name: "test", Args: []string{"dev", "--job", "--server", server.HTTP},
		CMD: []string{"sh", "-c", "exit 7"}})
	if code := k.Wait(t, soon); code != 7 {
		t.Errorf("exit code %d, want 7:\n%s", code, k.Tail(20))
	}
	entries, err := k.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := harness.Find(entries, "", "", "step", api.HealthPassing); ok {
		t.Errorf("the job was passing: %+v", e)
	}
	server.Empty(t, soon)
}

// Where another program has the server's port, nothing is started.
func TestDevServerPortTaken(t *testing.T) {
	t.Parallel()
	server := harness.Address(t)
	l, err := net.Listen("tcp", server+":8500")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k := harness.StartTask(t, harness.TaskConfig{Name: "taken", Args: []string{"dev", "--server", server}, CMD: []string{"true"}})
	if code := k.Wait(t, soon); code != 200 {
		t.Errorf("exit code %d, want 200:\n%s", code, k.Tail(20))
	}
	if out := k.Output(); !strings.Contains(out, server+":8500 is taken") {
		t.Errorf("the port is not named:\n%s", out)
	}
}
