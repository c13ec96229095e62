package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

// An Envoy that hangs counts as down: the checks are critical, health and status say so; when
// it answers again, all is as before, without a restart.
func TestTaskEnvoyHangs(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "envoy-hangs", "envoy-hangs", nil)
	m.up(t)
	server.Passing(t, soon, "envoy-hangs", 1)
	m.asks(t, 0, "", "health")
	pid := m.pid(t, "envoy", 1)
	freeze(t, pid)
	hung := m.Await(t, soon, "up", "envoy", "step", "hung")
	status(t, server, "envoy-hangs", api.HealthCritical)
	m.asks(t, 1, "Envoy hangs", "health")
	m.asks(t, 0, `"unit":"envoy","state":"starting"`, "status", "--json")
	thaw(t, pid)
	m.Await(t, soon, "up", "envoy", "step", "answers")
	status(t, server, "envoy-hangs", api.HealthPassing)
	m.asks(t, 0, "", "health")
	m.asks(t, 0, `"unit":"envoy","state":"up"`, "status", "--json")
	if e, err := m.Timeline(); err != nil {
		t.Error(err)
	} else if passing, ok := harness.Find(e, "up", "health-sync", "step", "passing"); !ok || hung.Ms < passing.Ms {
		t.Errorf("it hung at %.0f ms and was passing at %.0f", hung.Ms, passing.Ms)
	}
	m.term(t)
	if s := m.ended(t, 0); s.Restarts["envoy"] != 0 {
		t.Errorf("restarts: %v, want none", s.Restarts)
	}
	server.Empty(t, soon)
}

// An agent that hangs counts as down. Its checks are its own affair: what the servers have
// of them stays until they miss its node.
func TestTaskAgentHangs(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "agent-hangs", "agent-hangs", nil)
	m.up(t)
	server.Passing(t, soon, "agent-hangs", 1)
	pid := m.pid(t, "consul-agent", 1)
	freeze(t, pid)
	m.Await(t, soon, "up", "consul-agent", "step", "hung")
	m.asks(t, 1, "the Consul agent hangs", "health")
	m.asks(t, 0, `"unit":"consul-agent","state":"starting"`, "status", "--json")
	thaw(t, pid)
	m.Await(t, soon, "up", "consul-agent", "step", "answers")
	server.Passing(t, soon, "agent-hangs", 1)
	m.asks(t, 0, "", "health")
	m.term(t)
	if s := m.ended(t, 0); s.Restarts["consul-agent"] != 0 || s.Left != "verified" {
		t.Errorf("restarts: %v, left %s; want none, and a verified leave", s.Restarts, s.Left)
	}
	server.Empty(t, soon)
}

// A stop in which both hang ends, and says nothing of it any more: the stop is on its way.
func TestTaskStopsWhileItsPartsHang(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := startTask(t, server, "all-hang", "all-hang", func(c map[string]any) {
		c["shutdown"] = map[string]any{"stopTimeout": "20s"}
	})
	m.up(t)
	server.Passing(t, soon, "all-hang", 1)
	freeze(t, m.pid(t, "envoy", 1))
	freeze(t, m.pid(t, "consul-agent", 1))
	m.term(t)
	m.ended(t, 0)
	for _, unit := range []string{"envoy", "consul-agent"} {
		m.without(t, "down", unit, "step", "hung")
		m.without(t, "up", unit, "step", "hung")
	}
}

// asks runs an asking command of the program until it ends with this code and says text.
func (m member) asks(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	harness.Eventually(t, soon, fmt.Sprintf("%v is %d and says %q", args, code, text), func() error {
		p := harness.Start(t, m.Name+"-"+args[0], append([]string{harness.Plain(t)}, append(args, "--dir", m.Dir)...), nil)
		if got := p.Wait(t, soon); got != code || !strings.Contains(p.Output(), text) {
			return fmt.Errorf("it is %d and says %s", got, p.Output())
		}
		return nil
	})
}

func freeze(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func thaw(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
