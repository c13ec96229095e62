package e2e

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

// An Envoy that dies is started again; the instance is critical meanwhile, and
// the app does not notice.
func TestTaskEnvoyKilled(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "envoy-dies", "envoy-dies", func(c map[string]any) {
		c["envoy"] = map[string]any{"restart": map[string]any{"max": 5, "window": "60s", "backoff": "1s", "maxBackoff": "5s"}}
	})
	m.up(t)
	server.Passing(t, soon, "envoy-dies", 1)
	app, agent := m.pid(t, "app", 1), m.pid(t, "consul-agent", 1)
	m.kill(t, "envoy", 1)
	status(t, server, "envoy-dies", api.HealthCritical)
	m.Await(t, soon, "up", "envoy", "restart", "")
	m.pid(t, "envoy", 2)
	status(t, server, "envoy-dies", api.HealthPassing)
	if got := m.pid(t, "app", 1); got != app {
		t.Errorf("the app's pid was %d and is %d", app, got)
	}
	if got := m.pid(t, "consul-agent", 1); got != agent {
		t.Errorf("the agent's pid was %d and is %d", agent, got)
	}
	m.term(t)
	if s := m.ended(t, 0); s.Restarts["envoy"] != 1 {
		t.Errorf("restarts: %v, want one of envoy", s.Restarts)
	}
	server.Empty(t, soon)
}

// An agent that dies is started again and told all that it has lost; Envoy and
// the app live on.
func TestTaskAgentKilled(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "agent-dies", "agent-dies", nil)
	m.up(t)
	server.Passing(t, soon, "agent-dies", 1)
	m.Await(t, soon, "up", "inbound", "ready", "") // it adds the third check
	before := checkIDs(t, server, "agent-dies")
	app, envoy := m.pid(t, "app", 1), m.pid(t, "envoy", 1)
	m.kill(t, "consul-agent", 1)
	m.pid(t, "consul-agent", 2)
	local := harness.Client(t, m.address+":8500", "")
	harness.Eventually(t, soon, "a leader at the new agent", func() error {
		leader, err := local.Status().Leader()
		if err == nil && leader == "" {
			err = errors.New("none yet")
		}
		return err
	})
	// By itself the agent would begin with a critical listener, for up to its interval of 10 s; that it is
	// asked not to is held by the tests of health.
	harness.Eventually(t, soon, "the checks at the new agent", func() error {
		checks, err := local.Agent().Checks()
		if err != nil {
			return err
		}
		var got []string
		for id, c := range checks {
			if c.Status == api.HealthPassing {
				got = append(got, id)
			}
		}
		if slices.Sort(got); !slices.Equal(got, before) {
			return fmt.Errorf("%v pass, want %v", got, before)
		}
		return nil
	})
	server.Passing(t, soon, "agent-dies", 1)
	// The listener's check is taken out and put in again, so the servers may lack it for a moment.
	harness.Eventually(t, soon, "the checks at the servers", func() error {
		if got := checksOf(t, server, "agent-dies"); !slices.Equal(got, before) {
			return fmt.Errorf("the checks were %v and are %v", before, got)
		}
		return nil
	})
	if a, e := m.pid(t, "app", 1), m.pid(t, "envoy", 1); a != app || e != envoy {
		t.Errorf("app and envoy were %d and %d and are %d and %d", app, envoy, a, e)
	}
	m.term(t)
	if s := m.ended(t, 0); s.Restarts["consul-agent"] != 1 || s.Left != "verified" {
		t.Errorf("restarts %v, left %s; want one of consul-agent and a verified leave", s.Restarts, s.Left)
	}
	server.Empty(t, soon)
}

// checkIDs are the three checks of service and sidecar at the servers, sorted.
func checkIDs(t *testing.T, server *harness.Server, service string) []string {
	t.Helper()
	out := checksOf(t, server, service)
	if len(out) != 3 {
		t.Fatalf("service and sidecar have the checks %v, want three", out)
	}
	return out
}

// checksOf are the checks of service and sidecar at the servers, sorted.
func checksOf(t *testing.T, server *harness.Server, service string) []string {
	t.Helper()
	var out []string
	for _, name := range []string{service, service + "-sidecar-proxy"} {
		checks, _, err := server.API.Health().Checks(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			out = append(out, c.CheckID)
		}
	}
	slices.Sort(out)
	return out
}

// The end of the restart budget is an orderly stop of all with 206, whichever
// unit spent it.
func TestTaskRestartBudgetSpent(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	once := map[string]any{"max": 1, "window": "60s", "backoff": "10ms", "maxBackoff": "10ms"}
	t.Run("envoy", func(t *testing.T) {
		m := startTask(t, server, "spent-envoy", "spent", func(c map[string]any) { c["envoy"] = map[string]any{"restart": once} })
		m.up(t)
		m.kill(t, "envoy", 1)
		m.kill(t, "envoy", 2)
		s := m.ended(t, 206)
		if s.Left != "verified" || s.Deregistered != "verified" {
			t.Errorf("left %s, deregistered %s", s.Left, s.Deregistered)
		}
		m.unlisted(t, server)
	})
	t.Run("app", func(t *testing.T) {
		m := startTask(t, server, "spent-app", "spent", func(c map[string]any) {
			c["app"] = map[string]any{"restart": map[string]any{"policy": "on-failure", "max": 2, "window": "60s", "backoff": "10ms", "maxBackoff": "10ms"}}
		}, "--life", "200ms", "--code", "3")
		if s := m.ended(t, 206); s.Restarts["app"] != 2 {
			t.Errorf("restarts %v, want two of the app", s.Restarts)
		}
		if lives := m.pids(t, "app"); len(lives) != 3 {
			t.Errorf("the app has lived %d times, want 3", len(lives))
		}
		m.unlisted(t, server)
	})
}

// SIGKILL leaves no time for anything: the children end, and the instance does
// not pass for longer than the TTL.
func TestTaskKilled(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "killed", "killed", nil)
	m.up(t)
	server.Passing(t, soon, "killed", 1)
	m.Kill()
	harness.Eventually(t, soon, "the end of the children", func() error {
		if left := harness.Processes(m.Dir, m.address+":8080"); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
	harness.Eventually(t, soon, "nothing passes", func() error { // health.ttl is 30 s
		entries, err := server.Instances("killed")
		if err == nil && len(entries) > 0 && entries[0].Checks.AggregatedStatus() == api.HealthPassing {
			err = fmt.Errorf("it passes")
		}
		return err
	})
}

// A program in any language gets the signals that it would get without us.
func TestTaskSignalsOfAnotherLanguage(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	// It waits on the pipe that Python's own handler writes to: a signal that comes just before
	// signal.pause() would not end it.
	const program = `
import os, signal, sys
def got(number, frame):
    os.write(1, b"got %s\n" % signal.Signals(number).name.encode())
    if number == signal.SIGINT:
        sys.exit(9)
came, comes = os.pipe()
os.set_blocking(comes, False)
signal.set_wakeup_fd(comes)
for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, got)
os.write(1, b"listens\n")
while True:
    os.read(came, 1)
`
	m := prepare(t, server, "python", "python", func(c map[string]any) {
		delete(c["service"].(map[string]any), "port")
	})
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "python", Config: m.config, CMD: []string{"python3", "-c", program, m.address + ":8080"}})
	m.says(t, "listens")
	for name, sig := range map[string]syscall.Signal{"SIGHUP": syscall.SIGHUP, "SIGUSR1": syscall.SIGUSR1,
		"SIGUSR2": syscall.SIGUSR2, "SIGWINCH": syscall.SIGWINCH} {
		if err := m.Signal(sig); err != nil {
			t.Fatal(err)
		}
		m.says(t, "got "+name)
	}
	if err := m.Signal(syscall.SIGINT); err != nil { // begins the stop, and is what the app gets
		t.Fatal(err)
	}
	if s := m.ended(t, 9); s.Reason != "INT" {
		t.Errorf("the reason is %s, want INT", s.Reason)
	}
	server.Empty(t, soon)
}
