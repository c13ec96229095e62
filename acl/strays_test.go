package acl

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
)

func agentless(c *Config) { c.Mode = reconcile.Agentless }

// sweeps makes a controller sweep once, for as often as it is called.
func (m *model) sweeps(t *testing.T, change ...func(*Config)) func() error {
	c, mem := m.controller(t, append([]func(*Config){agentless}, change...)...), newMemory()
	return func() error { return c.sweep(t.Context(), mem) }
}

// What a task has left is taken away at the second look at its absence, and not while it stops.
func TestStraysGo(t *testing.T) {
	for name, node := range map[string]string{"cluster's node": modelCluster, "own node": "ecs-%s"} {
		t.Run(name, func(t *testing.T) {
			m := newModel()
			arn, other := m.run("web"), m.run("api")
			if strings.Contains(node, "%s") {
				node = fmt.Sprintf(node, reconcile.TaskID(arn))
			}
			m.register(node, "web", arn)
			m.register(modelCluster, "api", other)
			sweep := m.sweeps(t)
			look := func(want int) {
				t.Helper()
				if err := sweep(); err != nil && !errors.Is(err, errPartial) {
					t.Fatal(err)
				}
				if got := m.registered(); len(got) != want {
					t.Fatalf("registered are %v, want %d", got, want)
				}
			}
			look(4)
			m.stopTask(arn)
			for range 5 {
				look(4)
			}
			m.locked(func() { delete(m.stopping, arn) })
			look(4)
			look(2)
			if _, there := m.nodes[node]; there && node != modelCluster {
				t.Error("the task's node is left")
			}
			m.calls = map[string]int{}
			look(2)
			if n := m.calls["Stopped"] + m.calls["DescribeTasks"] + m.calls["DeregisterService"]; n > 0 {
				t.Errorf("with nothing left it makes %v", m.calls)
			}
		})
	}
}

// A task that is registered after the catalog was read, or that the list of tasks has not yet, is
// left alone: as often as it happens.
func TestStraysAndBirths(t *testing.T) {
	m := newModel()
	m.register(modelCluster, "old", m.run("old"))
	late := false
	m.gate = func(call string, _ int) error {
		switch {
		case call == "ListTasks" && !late: // between the two lists
			m.register(modelCluster, "web", m.run("web"))
		case call == "Node" && late: // before both, but ECS's list lags
			arn := m.run("api")
			m.register(modelCluster, "api", arn)
			m.stopTask(arn)
		}
		return nil
	}
	sweep := m.sweeps(t)
	for i := range 8 {
		late = i >= 4
		if err := sweep(); err != nil && !errors.Is(err, errPartial) {
			t.Fatal(err)
		}
	}
	if n := m.calls["DeregisterService"]; n > 0 {
		t.Errorf("%d services of tasks that live were taken away", n)
	}
}

// A failure in either list, or of the question, is no look; a deregistration that fails is said and
// tried again, the service not before its sidecar.
func TestStraysAndFailures(t *testing.T) {
	m := newModel()
	arn := m.run("web")
	m.register(modelCluster, "web", arn)
	sweep := m.sweeps(t)
	_ = sweep()
	m.stop(arn)
	for _, call := range []string{"ListTasks", "Node", "TaskNodes", "Stopped"} {
		m.gate = func(c string, _ int) error {
			if c == call {
				return errors.New("no")
			}
			return nil
		}
		for range 3 {
			if err := sweep(); err == nil {
				t.Errorf("%s fails and the sweep does not say so", call)
			}
		}
		if n := len(m.registered()); n != 2 {
			t.Fatalf("%s fails and %d are left", call, n)
		}
	}
	m.gate = func(c string, _ int) error {
		if c == "DeregisterService" {
			return &denied{by: "Consul", needs: "node:write on it"}
		}
		return nil
	}
	for range 3 {
		if err := sweep(); err != nil && !errors.Is(err, errPartial) || len(m.registered()) != 2 {
			t.Fatalf("%v, %v", err, m.registered())
		}
	}
	if err := sweep(); err == nil || !strings.Contains(err.Error(), "what task "+reconcile.TaskID(arn)+" left") || !strings.Contains(err.Error(), "node:write") {
		t.Errorf("it says %v", err)
	}
	first := true
	m.gate = func(c string, _ int) error {
		if c == "DeregisterService" && first {
			first = false
			return errLostAnswer
		}
		return nil
	}
	_ = sweep()
	if got := m.registered(); len(got) != 1 || strings.HasSuffix(got[0], "sidecar-proxy") {
		t.Errorf("after the first of two is left %v, want the service", got)
	}
	if _ = sweep(); len(m.registered()) != 0 {
		t.Errorf("left are %v", m.registered())
	}
}

// One registration that ECS will not answer for hinders nobody.
func TestStraysOfOddTasks(t *testing.T) {
	m := newModel()
	arn := m.run("web")
	m.register(modelCluster, "web", arn)
	m.register(modelCluster, "odd", strings.Replace(modelCluster, ":cluster/", ":task/", 1)+"/odd")
	m.locked(func() {
		m.instances = append(m.instances, reconcile.Instance{Node: modelCluster, ID: "plain", Service: "plain"})
	})
	m.stop(arn)
	c, mem := m.controller(t, agentless), newMemory()
	for range 3 {
		_ = c.sweep(t.Context(), mem)
	}
	if n := c.findings.count(); n != 1 {
		t.Errorf("%d findings, want one", n)
	}
	if got := m.registered(); len(got) != 3 || slices.ContainsFunc(got, func(id string) bool { return strings.HasPrefix(id, "web") }) {
		t.Errorf("left are %v", got)
	}
}

// Tokens go after what was registered with them: those of services, and those of logins; a login's
// not while its task stops.
func TestTokensGoLast(t *testing.T) {
	m := newModel()
	arn := m.run("web")
	id := reconcile.TaskID(arn)
	m.setSecret("pre-web", "{}")
	m.register(modelCluster, "web", arn)
	m.loggedIn("login", modelCluster, id)
	stuck := true
	m.gate = func(c string, _ int) error {
		if c == "DeregisterService" && stuck {
			return errors.New("no")
		}
		return nil
	}
	sweep := m.sweeps(t, func(c *Config) { c.RolePath, c.DeletionGrace = "/", -1 })
	many := func() (tokens int) {
		for range 5 {
			_ = sweep()
		}
		m.locked(func() { tokens = len(m.tokens) })
		return tokens
	}
	if n := many(); n != 2 {
		t.Fatalf("%d tokens of a living task, want 2", n)
	}
	m.stopTask(arn)
	if n := many(); n != 2 || !m.has("login") {
		t.Fatalf("%d tokens of a stopping task, want 2", n)
	}
	m.locked(func() { delete(m.stopping, arn) })
	if n := many(); n != 2 || len(m.registered()) != 2 {
		t.Fatalf("%d tokens while its services are left, want 2", n)
	}
	stuck = false
	if n := many(); n != 0 || len(m.registered()) != 0 {
		t.Errorf("%d tokens and %v are left", n, m.registered())
	}
}

// A login's token stays while its task stops, though nothing of the task is in the catalog.
func TestTokenOfAStoppingTask(t *testing.T) {
	m := newModel()
	arn := m.run("web")
	m.loggedIn("login", modelCluster, reconcile.TaskID(arn))
	sweep := m.sweeps(t, loggingIn, func(c *Config) { c.DeletionGrace = -1 })
	m.stopTask(arn)
	for range 5 {
		if err := sweep(); err != nil {
			t.Fatal(err)
		}
	}
	if !m.has("login") {
		t.Fatal("the token of a stopping task is gone")
	}
	m.locked(func() { delete(m.stopping, arn) })
	for range 2 {
		_ = sweep()
	}
	if m.has("login") {
		t.Error("the token of a dead task is left")
	}
}

// The cluster's node is made, and made again; once it is there nothing is written.
func TestClusterNodeIsKept(t *testing.T) {
	m := newModel()
	m.run("web", tagMesh, "no") // it has no tag
	sweep := m.sweeps(t, func(c *Config) { c.SecretPrefix = "" })
	for range 2 {
		for range 3 {
			if err := sweep(); err != nil {
				t.Fatal(err)
			}
		}
		if m.nodes[modelCluster].Meta["synthetic-node"] != "true" || m.calls["PutNode"] != 1 {
			t.Fatalf("node %+v after %d writes", m.nodes[modelCluster], m.calls["PutNode"])
		}
		delete(m.nodes, modelCluster)
		m.calls = map[string]int{}
	}
	if m.calls["Tokens"]+m.calls["Policies"] > 0 {
		t.Errorf("without a word of tokens it makes %v", m.calls)
	}
}

// A cluster given by name has two nodes, for its tasks may name either.
func TestClusterByName(t *testing.T) {
	m := newModel()
	arn := m.run("web")
	m.register("prod", "web", arn)
	sweep := m.sweeps(t, func(c *Config) { c.SecretPrefix, c.Cluster = "", "prod" })
	for range 2 {
		_ = sweep()
	}
	for _, name := range []string{"prod", modelCluster} {
		if m.nodes[name].Meta["synthetic-node"] != "true" {
			t.Errorf("node %s: %+v", name, m.nodes[name])
		}
	}
	m.stop(arn)
	for range 3 {
		_ = sweep()
	}
	if got := m.registered(); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
}

// A quiet sweep costs three calls of Consul beside ECS's list, however many tasks there are; nodes of
// other clusters are read once.
func TestCallsOfAQuietAgentlessSweep(t *testing.T) {
	m := newModel()
	m.setSecret("pre-web", "{}")
	for range 250 {
		arn := m.run("web")
		m.register(modelCluster, "web", arn)
		own := m.run("web")
		m.register("ecs-"+reconcile.TaskID(own), "web", own)
	}
	for i := range 50 {
		id := fmt.Sprintf("%032x", 1e6+i)
		m.register("ecs-"+id, "web", "arn:aws:ecs:us-east-1:123456789012:task/other/"+id)
	}
	sweep := m.sweeps(t, func(c *Config) { c.AuditInterval = time.Hour })
	for range 3 {
		if err := sweep(); err != nil {
			t.Fatal(err)
		}
	}
	m.calls = map[string]int{}
	var order []string
	m.gate = func(c string, _ int) error { order = append(order, c); return nil }
	if err := sweep(); err != nil {
		t.Fatal(err)
	}
	if order = slices.Compact(order); !slices.Equal(order, []string{"Node", "TaskNodes", "ListTasks", "Tokens"}) {
		t.Errorf("it asks in the order %v; the catalog must come before the tasks", order)
	}
	if got := fmt.Sprint(m.calls); got != "map[ListTasks:5 Node:1 TaskNodes:1 Tokens:1]" {
		t.Errorf("calls %s", got)
	}
	if n := len(m.registered()); n != 1100 {
		t.Errorf("%d are registered", n)
	}
}

// With --agentless alone nothing is set up for agents; tokens and logins get the right to a node of
// the task's own.
func TestAgentlessRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for mode, agents := range map[reconcile.Mode]bool{reconcile.Agentless: false, reconcile.Mixed: true} {
			m := newModel()
			m.setSecret("pre-web", "{}")
			m.run("web")
			once := func(c *Config) { c.Mode, c.RolePath, c.Once = mode, "/consul-ecs/", true }
			if err := m.controller(t, once).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if rules := m.policies[reconcile.TaskNodePolicy].Rules; rules != `node_prefix "ecs-" { policy = "write" }` {
				t.Errorf("rules %q", rules)
			}
			for _, token := range m.tokens {
				if !slices.ContainsFunc(token.Policies, func(l reconcile.Link) bool { return l.Name == reconcile.TaskNodePolicy }) {
					t.Errorf("token %q has %v", token.Description, token.Policies)
				}
			}
			_, method := m.logins.Methods[reconcile.ClientMethod]
			_, role := m.logins.Roles[reconcile.ClientRole]
			if method != agents || role != agents {
				t.Errorf("mode %d: agents' method %v, role %v", mode, method, role)
			}
			if got := m.logins.Roles["meshtask-task-node-role"].Policies; len(got) != 1 || got[0].Name != reconcile.TaskNodePolicy || got[0].ID == "" {
				t.Errorf("role %v", got)
			}
			var out bytes.Buffer
			if err := m.controller(t, once, func(c *Config) { c.DryRun, c.Out = true, &out }).Run(t.Context()); err != nil || out.Len() > 0 {
				t.Errorf("again it does %s, %v", out.String(), err)
			}
		}
	})
}

// A mode that contradicts another flag is refused; without agents nothing of tokens need be named.
func TestAgentlessConfig(t *testing.T) {
	for want, c := range map[string]Config{
		"":                         {Mode: reconcile.Agentless},
		"secret-name-prefix: give": {Mode: reconcile.Mixed},
		"consul-client-secret-arn": {Mode: reconcile.Agentless, ClientSecret: "s"},
	} {
		c.Cluster, c.Log = "c", hclog.NewNullLogger()
		if _, err := c.resolved(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
