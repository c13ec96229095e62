package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"meshtask/e2e/harness"
)

// why asks `meshtask why`; what is given is its standard input, for "-".
func (m member) why(t *testing.T, given string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(harness.Meshtask(t), append([]string{"why"}, args...)...)
	cmd.Stdin = strings.NewReader(given)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// explained waits until the live task says why it waits, then checks that its end, its
// record and its log say so too.
func (m member) explained(t *testing.T, code int, rule string, words ...string) {
	t.Helper()
	check := func(from, text string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", from, err)
		}
		for _, word := range append(words, "Fix: ", "(code "+rule+";") {
			if !strings.Contains(text, word) {
				t.Errorf("%s: no %q in\n%s", from, word, text)
			}
		}
	}
	var live string
	harness.Eventually(t, soon, "the live task says why", func() (err error) {
		if live, err = m.why(t, "", "--dir", m.Dir); err == nil && (!strings.Contains(live, "has waited") || !strings.Contains(live, rule)) {
			err = fmt.Errorf("it says\n%s", live)
		}
		return err
	})
	check("live", live, nil)
	m.ended(t, code)
	words = append(words, fmt.Sprintf("The task ended with exit %d", code))
	text, err := m.why(t, "", "--dir", m.Dir)
	check("record", text, err)
	text, err = m.why(t, m.Output(), "-")
	check("log", text, err)
}

// stuck starts a task that will not come up.
func stuck(t *testing.T, name string, server *harness.Server, edit func(c map[string]any)) member {
	t.Helper()
	m := prepare(t, server, name, name, edit)
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: name, Config: m.config, CMD: []string{"/bin/true"}, Env: []string{"GOSSIP=aPuGh+5UDskRAbkLaXRzFoSOcSM+5vAK+NEYOWHJH7w="}})
	return m
}

func agentOf(c map[string]any) map[string]any { return c["consulAgent"].(map[string]any) }

// Nobody is where the agent is sent to.
func TestWhyAnAgentDoesNotJoin(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	nobody := harness.Address(t)
	m := stuck(t, "why-nobody", server, func(c map[string]any) {
		agentOf(c)["retryJoin"], agentOf(c)["joinTimeout"] = []string{nobody}, "3s"
	})
	m.explained(t, 202, "consul-unreachable", nobody, "connection refused", "consulAgent.retryJoin")
}

// The servers are there, but want another gossip key.
func TestWhyAnAgentIsNotLetIn(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := stuck(t, "why-key", server, func(c map[string]any) {
		agentOf(c)["gossipKey"], agentOf(c)["joinTimeout"] = "env:GOSSIP", "3s"
	})
	m.explained(t, 202, "consul-encryption", "gossipKey")
}

// Envoy has its configuration and refuses the listener.
func TestWhyEnvoyDoesNotListen(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := stuck(t, "why-listener", server, func(c map[string]any) {
		address := c["task"].(map[string]any)["address"]
		c["envoy"] = map[string]any{"readyTimeout": "3s"}
		c["proxy"] = map[string]any{"config": map[string]any{"envoy_public_listener_json": fmt.Sprintf(`{
			"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "public_listener:x",
			"address": {"socket_address": {"address": %q, "port_value": 20000}},
			"filter_chains": [{"filters": [{"name": "tcp", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
				"stat_prefix": "p", "cluster": "c", "idle_timeout": "-1s"}}]}]}`, address)}}
	})
	m.explained(t, 204, "xds-listener-rejected", "Invalid duration", "envoy_public_listener_json")
	server.Empty(t, soon)
}

// An agent that refuses its settings never joins, however often it is tried: 202.
func TestWhyAnAgentRefusesItsSettings(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	m := stuck(t, "why-settings", server, func(c map[string]any) {
		agentOf(c)["extraConfig"] = map[string]any{"frob": 1}
		agentOf(c)["restart"] = map[string]any{"max": 1, "window": "60s", "backoff": "10ms", "maxBackoff": "10ms"}
	})
	m.ended(t, 202)
	text, err := m.why(t, "", "--dir", m.Dir)
	if err != nil {
		t.Error(err)
	}
	for _, word := range []string{"exit 202", "before it has joined", "frob", "(code consul-settings;"} {
		if !strings.Contains(text, word) {
			t.Errorf("no %q in\n%s", word, text)
		}
	}
}

// Somebody else has the port of an upstream: Envoy would be LIVE without that listener, and
// the app would call the other process.
func TestWhyAnUpstreamsPortIsTaken(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	var other net.Listener
	m := stuck(t, "why-upstream", server, func(c map[string]any) {
		var err error
		if other, err = net.Listen("tcp", c["task"].(map[string]any)["address"].(string)+":9191"); err != nil {
			t.Fatal(err)
		}
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "other", "localBindPort": 9190}, map[string]any{"destinationName": "api", "localBindPort": 9191}}}
	})
	defer other.Close()
	m.ended(t, 204)
	m.without(t, "up", "envoy", "step", "exec")
	for _, args := range [][]string{{"--dir", m.Dir}, {"-"}} {
		text, err := m.why(t, m.Output(), args...)
		for _, word := range []string{"exit 204", other.Addr().String() + " (upstream api)", fmt.Sprintf("by pid %d (", os.Getpid()), "proxy.upstreams[1].localBindPort", "(code listener-port-taken;"} {
			if err != nil || !strings.Contains(text, word) {
				t.Errorf("%v: no %q in\n%s", err, word, text)
			}
		}
	}
	server.Empty(t, soon)
}
