package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

// Without a command the task is up when Envoy is, and takes traffic when the app
// beside it listens. A stop is a good end.
func TestTaskWithoutCommand(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := prepare(t, server, "sidecars", "sidecars", nil)
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "sidecars", Config: m.config})
	m.Mark(t, soon, "up", "T2")
	status(t, server, "sidecars", api.HealthCritical)
	sibling := harness.Start(t, "sibling", []string{harness.App(t), "--name", "sibling", "--listen", m.address + ":8080"}, nil)
	m.up(t)
	server.Passing(t, soon, "sidecars", 1)
	answers(t, "http://"+m.address+":9902/ready", 200, "")
	m.term(t)
	m.Await(t, soon, "down", "app", "ended", "")
	sibling.Kill() // it is none of the task's
	s := m.ended(t, 0)
	if s.Left != "verified" || s.Marks.Up["T2"] == 0 {
		t.Errorf("left %s, marks %v", s.Left, s.Marks.Up)
	}
	server.Empty(t, soon)
}

// A job calls its upstream through the mesh and ends with its own code; nobody
// is ever sent to it, and its end waits for nothing.
func TestTaskJob(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	api := startTask(t, server, "jobs-api", "api", nil)
	api.up(t)
	server.Passing(t, soon, "api", 1)
	m := prepare(t, server, "job", "job", func(c map[string]any) {
		delete(c["service"].(map[string]any), "port")
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "api", "localBindPort": 9191}}}
	})
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "job", Config: m.config, Args: []string{"run", "--job"},
		CMD: []string{harness.App(t), "--get", "http://" + m.address + ":9191/slow?ms=500"}})
	m.Mark(t, soon, "up", "T2")
	status(t, server, "job", "critical")
	m.ended(t, 0)
	if !strings.Contains(m.Output(), "slow hello from jobs-api") {
		t.Errorf("the job was not answered:\n%s", m.Tail(20))
	}
	m.without(t, "down", "inbound", "step", "drained")
	m.without(t, "", "", "step", "passing")
	api.term(t)
	api.ended(t, 0)
	server.Empty(t, soon)
}

// A run time limit ends the task in good order, with a code of its own.
func TestTaskRunTimeLimit(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := prepare(t, server, "limited", "limited", nil)
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "limited", Config: m.config, Args: []string{"run", "--max-run-time", "15s"},
		CMD: []string{harness.App(t), "--name", "limited", "--listen", m.address + ":8080"}})
	m.Mark(t, soon, "up", "T2")
	if s := m.ended(t, 209); s.Left != "verified" {
		t.Errorf("left %s", s.Left)
	}
	server.Empty(t, soon)
}

// An app that is never ready ends the task, which never took traffic.
func TestTaskAppNeverReady(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "unready", "unready", func(c map[string]any) {
		c["app"] = map[string]any{"ready": map[string]any{"http": "http://" + c["task"].(map[string]any)["address"].(string) + ":8080/healthz", "timeout": "1500ms"}}
	}, "--slow-start", "1h")
	s := m.ended(t, 205)
	m.without(t, "", "", "step", "passing")
	if s.Left != "verified" || len(s.Forced()) > 0 {
		t.Errorf("left %s, killed %v", s.Left, s.Killed)
	}
	server.Empty(t, soon)
}

// Two tasks cannot share a state directory; the first one is not disturbed.
func TestTaskSecondOnTheSameDirectory(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	first := startTask(t, server, "first", "first", nil)
	first.up(t)
	second := prepare(t, server, "second", "second", nil)
	second.Task = harness.StartTask(t, harness.TaskConfig{Name: "second", Config: second.config, Dir: first.Dir, CMD: []string{"/bin/true"}})
	if code := second.Wait(t, soon); code != 210 {
		t.Errorf("exit code %d, want 210", code)
	}
	if out := second.Output(); !strings.Contains(out, "pid "+fmt.Sprint(first.PID)) {
		t.Errorf("the first one's pid %d is not named:\n%s", first.PID, out)
	}
	server.Passing(t, soon, "first", 1)
	first.term(t)
	first.ended(t, 0)
	server.Empty(t, soon)
}

// Nobody can set a native check, so service and sidecar are held in maintenance
// mode until the app is ready, and while Envoy is down.
func TestTaskNativeChecks(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "native", "native", func(c map[string]any) {
		address := c["task"].(map[string]any)["address"].(string)
		c["service"].(map[string]any)["checks"] = []any{map[string]any{"name": "http", "http": "http://" + address + ":8080/healthz", "interval": "200ms"}}
		c["envoy"] = map[string]any{"restart": map[string]any{"max": 5, "window": "60s", "backoff": "1s", "maxBackoff": "5s"}}
	}, "--slow-start", "1500ms")
	m.Mark(t, soon, "up", "T2")
	maintained(t, server, "native", true)
	m.up(t)
	server.Passing(t, soon, "native", 1)
	maintained(t, server, "native", false)
	m.kill(t, "envoy", 1)
	maintained(t, server, "native", true)
	server.Passing(t, soon, "native", 1)
	m.term(t)
	m.ended(t, 0)
	server.Empty(t, soon)
}

func maintained(t *testing.T, server *harness.Server, service string, want bool) {
	t.Helper()
	harness.Eventually(t, soon, "maintenance mode", func() error {
		for _, name := range []string{service, service + "-sidecar-proxy"} {
			checks, _, err := server.API.Health().Checks(name, nil)
			if err != nil {
				return err
			}
			held := false
			for _, c := range checks {
				held = held || strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix)
			}
			if held != want {
				return fmt.Errorf("%s: %v, want %v", name, held, want)
			}
		}
		return nil
	})
}

// With ACLs that deny by default a task needs its two tokens and no more, and
// they appear nowhere.
func TestTaskACL(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{ACL: true})
	service := token(t, server, &api.ACLToken{ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: "guarded"}}})
	agent := token(t, server, &api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{Name: policy(t, server, "client",
		`node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`)}}})
	m := prepare(t, server, "guarded", "guarded", func(c map[string]any) {
		c["acl"] = map[string]any{"serviceToken": "env:OUR_TOKEN"}
	})
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "guarded", Config: m.config,
		Env: []string{"OUR_TOKEN=" + service, "AGENT_TOKEN=" + agent, "CONSUL_HTTP_TOKEN=not-to-be-used", "PLAIN=seen"},
		CMD: []string{harness.App(t), "--name", "guarded", "--listen", m.address + ":8080"}})
	m.up(t)
	server.Passing(t, soon, "guarded", 1)
	answers(t, "http://"+m.address+":8080/env?name=PLAIN", 200, "seen")
	for _, name := range []string{"OUR_TOKEN", "AGENT_TOKEN", "CONSUL_HTTP_TOKEN"} {
		if _, body, err := fetch(t.Context(), "http://"+m.address+":8080/env?name="+name); err != nil || body != "" {
			t.Errorf("the app sees %s=%q, %v", name, body, err)
		}
	}
	for _, line := range harness.Processes(m.Dir, m.address) {
		if strings.Contains(line, service) || strings.Contains(line, agent) {
			t.Errorf("a token is in an argument: %s", line)
		}
	}
	m.term(t)
	if s := m.ended(t, 0); s.Left != "verified" || s.Deregistered != "verified" {
		t.Errorf("left %s, deregistered %s:\n%s", s.Left, s.Deregistered, m.Tail(30))
	}
	server.Empty(t, soon)
	for _, file := range []string{m.Log, filepath.Join(m.Dir, "timeline.jsonl"), filepath.Join(m.Dir, "summary.json")} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), service) || strings.Contains(string(text), agent) {
			t.Errorf("a token is in %s", filepath.Base(file))
		}
	}
}

func token(t *testing.T, server *harness.Server, tok *api.ACLToken) string {
	t.Helper()
	created, _, err := server.API.ACL().TokenCreate(tok, nil)
	if err != nil {
		t.Fatal(err)
	}
	return created.SecretID
}

func policy(t *testing.T, server *harness.Server, name, rules string) string {
	t.Helper()
	created, _, err := server.API.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return created.Name
}

// A wrong token ends the task with the reason, before the app has started.
func TestTaskACLDenied(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{ACL: true})
	agent := token(t, server, &api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{Name: policy(t, server, "client",
		`node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`)}}})
	other := token(t, server, &api.ACLToken{ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: "other"}}})
	m := prepare(t, server, "denied", "denied", nil)
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "denied", Config: m.config,
		Env: []string{"CONSUL_HTTP_TOKEN=" + other, "AGENT_TOKEN=" + agent}, CMD: []string{"/bin/true"}})
	began := time.Now()
	m.ended(t, 203)
	t.Logf("refused after %v", time.Since(began).Round(time.Millisecond))
	m.without(t, "", "app", "start", "")
	if out := m.Output(); !strings.Contains(out, "service:write") && !strings.Contains(out, "denied") {
		t.Errorf("the log does not say why:\n%s", m.Tail(20))
	}
	server.Empty(t, soon)
}

// A task metadata endpoint that is no URL is refused before anything starts; a
// TERM while one does not answer is an ordinary end.
func TestTaskMetadataEndpoint(t *testing.T) {
	t.Parallel()
	nobody := &harness.Server{Address: harness.Address(t)}
	run := func(uri string) member {
		m := prepare(t, nobody, "nameless", "nameless", func(c map[string]any) { delete(c, "task") })
		m.Task = harness.StartTask(t, harness.TaskConfig{Name: "nameless", Config: m.config,
			Env: []string{"ECS_CONTAINER_METADATA_URI_V4=" + uri}, CMD: []string{"/bin/true"}})
		return m
	}
	bad := run("not a url")
	if code := bad.Wait(t, soon); code != 211 {
		t.Errorf("exit code %d, want 211:\n%s", code, bad.Tail(10))
	}
	silent := run("http://" + nobody.Address + ":1/v4/x")
	silent.says(t, "waiting")
	if err := silent.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := silent.Wait(t, soon); code != 143 {
		t.Errorf("exit code %d, want 143:\n%s", code, silent.Tail(10))
	}
	silent.without(t, "", "", "start", "")
}
