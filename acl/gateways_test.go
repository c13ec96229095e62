package acl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"meshtask/acl/reconcile"
)

func (m *model) Terminating(ctx context.Context) (all []reconcile.Terminating, err error) {
	err = m.do(ctx, "Terminating", func() error { all = slices.Clone(m.linked); return nil })
	return all, err
}

// entry is a config entry of a terminating gateway.
func entry(gateway string, services ...string) reconcile.Terminating {
	t := reconcile.Terminating{Gateway: reconcile.Service{Name: gateway}}
	for _, s := range services {
		t.Services = append(t.Services, reconcile.Service{Name: s})
	}
	return t
}

const extPolicy = "gw-terminating-gateway-policy"

// A terminating gateway's policy follows its config entry, within a sweep, and goes with it; its
// token, by a secret, and its role have it.
func TestTerminatingGateway(t *testing.T) {
	for name, change := range map[string]func(*Config){"secrets": func(*Config) {}, "logins": loggingIn} {
		t.Run(name, func(t *testing.T) {
			m := newModel()
			m.setSecret("pre-gw", "{}")
			m.run("gw", "consul.hashicorp.com/gateway-kind", "terminating-gateway")
			sweep := m.sweeps(t, change)
			rules := func() string {
				t.Helper()
				if err := sweep(); err != nil {
					t.Fatal(err)
				}
				return m.policies[extPolicy].Rules
			}
			if got := rules(); got != "" {
				t.Errorf("without an entry it has %q", got)
			}
			m.linked = []reconcile.Terminating{entry("gw", "ext")}
			if got := rules(); got != `service "ext" { policy = "write" }` {
				t.Errorf("rules %q", got)
			}
			linked := m.logins.Roles["gw-terminating-gateway-role"].Policies
			for _, token := range m.tokens {
				linked = token.Policies
			}
			if !slices.ContainsFunc(linked, func(l reconcile.Link) bool { return l.ID == policyID(extPolicy) }) {
				t.Errorf("the gateway has %v", linked)
			}
			m.linked[0] = entry("gw", "ext", "pay")
			if got := rules(); strings.Count(got, `"write"`) != 2 || !strings.Contains(got, `service "pay"`) {
				t.Errorf("rules %q", got)
			}
			before := fmt.Sprint(m.calls["UpdatePolicy"], m.calls["CreatePolicy"], m.calls["PutToken"], m.calls["PutRole"])
			for range 3 {
				rules()
			}
			if now := fmt.Sprint(m.calls["UpdatePolicy"], m.calls["CreatePolicy"], m.calls["PutToken"], m.calls["PutRole"]); now != before {
				t.Errorf("with nothing new it writes: %s, before %s", now, before)
			}
			m.linked = nil
			rules()
			if _, ok := m.policies[extPolicy]; ok {
				t.Error("the policy outlives its entry")
			}
			m.linked = []reconcile.Terminating{entry("gw", "ext")}
			if rules() == "" {
				t.Error("it does not come back")
			}
		})
	}
}

// An entry that links everything, or a policy of somebody else, gives nothing, and hinders nobody.
func TestTerminatingGatewayRefused(t *testing.T) {
	m := newModel()
	for _, s := range []string{"pre-gw", "pre-web"} {
		m.setSecret(s, "{}")
	}
	m.run("gw", "consul.hashicorp.com/gateway-kind", "terminating-gateway")
	m.run("web")
	m.linked = []reconcile.Terminating{entry("gw", "*"), entry("other", "ext")}
	m.policies["Other-terminating-gateway-policy"] = reconcile.Policy{ID: "p", Name: "Other-terminating-gateway-policy", Rules: `acl = "write"`}
	c, mem := m.controller(t, agentless), newMemory()
	for range 3 {
		if err := c.sweep(t.Context(), mem); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := m.policies[extPolicy]; ok || m.policies["Other-terminating-gateway-policy"].Rules != `acl = "write"` {
		t.Errorf("policies %v", m.policies)
	}
	if len(m.tokens) != 2 {
		t.Errorf("%d tokens, want those of gateway and web", len(m.tokens))
	}
	if n := c.findings.count(); n != 2 {
		t.Errorf("%d findings, want 2", n)
	}
}

// Tokens of API and mesh gateways have what consul-ecs gives them, and those of services have not.
func TestGatewayPolicies(t *testing.T) {
	m := newModel()
	want := map[string]string{"web": "", "api-gw": "consul-ecs-api-gateway-policy", "mesh-gw": "consul-ecs-mesh-gateway-policy"}
	for s := range want {
		m.setSecret("pre-"+s, "{}")
		m.run(s, "consul.hashicorp.com/gateway-kind", map[string]string{"api-gw": "api-gateway", "mesh-gw": "mesh-gateway"}[s])
	}
	c, mem := m.controller(t), newMemory() // with agents as well
	for range 2 {
		if err := c.sweep(t.Context(), mem); err != nil {
			t.Fatal(err)
		}
	}
	for _, token := range m.tokens {
		name := strings.Fields(token.Description)[2]
		var extra strings.Builder
		for _, l := range token.Policies {
			if l.Name != name+"-service" {
				extra.WriteString(l.Name)
			}
		}
		if extra.String() != want[name] {
			t.Errorf("%s has %q, want %q", name, extra.String(), want[name])
		}
	}
	if n := m.calls["Terminating"]; n > 0 {
		t.Errorf("without a terminating gateway, %d calls for their entries", n)
	}
}
