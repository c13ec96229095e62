package acl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshtask/acl/reconcile"
	"meshtask/internal/secret"
)

func (m *model) Logins(ctx context.Context, roles []string) (l reconcile.Logins, err error) {
	err = m.do(ctx, "Logins", func() error {
		l = m.logins
		l.Methods, l.Rules, l.Roles = maps.Clone(l.Methods), maps.Clone(l.Rules), map[string]reconcile.Role{}
		for _, name := range roles {
			if r, ok := m.logins.Roles[name]; ok {
				l.Roles[name] = r
			}
		}
		return nil
	})
	return l, err
}

func (m *model) PutRole(ctx context.Context, r reconcile.Role) error {
	return m.do(ctx, "PutRole", func() error { r.ID = "id-of-" + r.Name; m.logins.Roles[r.Name] = r; return nil })
}

// PutAuthMethod keeps what JSON makes of it, as Consul does.
func (m *model) PutAuthMethod(ctx context.Context, a reconcile.AuthMethod) error {
	return m.do(ctx, "PutAuthMethod", func() error {
		text, err := json.Marshal(a.Config)
		if err != nil {
			return err
		}
		a.Config, a.Exists = nil, true
		m.logins.Methods[a.Name] = a
		if err := json.Unmarshal(text, &a.Config); err != nil {
			return err
		}
		m.logins.Methods[a.Name] = a
		return nil
	})
}

func (m *model) CreateBindingRule(ctx context.Context, r reconcile.BindingRule) error {
	return m.do(ctx, "CreateBindingRule", func() error {
		m.logins.Rules[r.Method] = append(m.logins.Rules[r.Method], r)
		return nil
	})
}

func loggingIn(c *Config) { c.SecretPrefix, c.RolePath = "", "/consul-ecs/" }

// loggedIn puts a token of a login into Consul.
func (m *model) loggedIn(accessor, cluster, task string) {
	m.locked(func() {
		m.tokens[accessor] = reconcile.Token{AccessorID: accessor, SecretID: secret.String("secret-of-" + accessor), Method: reconcile.ServiceMethod,
			Description: fmt.Sprintf(`token created via login: {"consul.hashicorp.com/cluster":%q,"consul.hashicorp.com/task-id":%q}`, cluster, task)}
	})
}

func (m *model) has(accessor string) (ok bool) {
	m.locked(func() { _, ok = m.tokens[accessor] })
	return ok
}

// A controller makes what tasks log in by, once, and each again that somebody deletes.
func TestLoginsAreSetUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.tokens[reconcile.AnonymousToken] = reconcile.Token{AccessorID: reconcile.AnonymousToken}
		m.run("api-gw", "consul.hashicorp.com/gateway-kind", "api-gateway")
		once := func(c *Config) { loggingIn(c); c.Once = true }
		sweep := func() string {
			var out bytes.Buffer
			dry := m.controller(t, once, func(c *Config) { c.DryRun, c.Out = true, &out })
			if err := dry.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := m.controller(t, once).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			return strings.ReplaceAll(out.String(), reconcile.LoginSubject+": ", "")
		}
		const (
			role   = "put role consul-ecs-client-role with policies [consul-ecs-client-policy]\n"
			method = "put auth method iam-ecs-service-token for [arn:aws:iam::123456789012:role/consul-ecs/*]\n"
			rule   = "create binding rule of iam-ecs-client-token: role consul-ecs-client-role\n"
		)
		gateway := func(kind string) string {
			name := "consul-ecs-" + kind + "-gateway-"
			return "create policy " + name + "policy\nput role " + name + "role with policies [" + name + "policy]\n"
		}
		bound := func(names ...string) (rules string) {
			for _, name := range names {
				rules += "create binding rule of iam-ecs-service-token: role " + name + "\n"
			}
			return rules
		}
		want := gateway("api") + "put role consul-ecs-terminating-gateway-role with policies []\n" + gateway("mesh") +
			"create policy consul-ecs-client-policy\n" + role +
			"put auth method iam-ecs-client-token for [arn:aws:iam::123456789012:role/consul-ecs/*]\n" + method + rule +
			"create binding rule of iam-ecs-service-token: service ${entity_tags.consul.hashicorp.com.service-name}\n" +
			bound("consul-ecs-api-gateway-role", "consul-ecs-terminating-gateway-role", "consul-ecs-mesh-gateway-role",
				"${entity_tags.consul.hashicorp.com.service-name}-terminating-gateway-role") +
			"create policy anonymous-token-policy\n" +
			"put token 00000000-0000-0000-0000-000000000002 with policies [anonymous-token-policy]\n"
		if got := sweep(); got != want {
			t.Fatalf("from nothing it does\n%swant\n%s", got, want)
		}
		if got := sweep(); got != "" {
			t.Errorf("a second sweep does\n%s", got)
		}
		m.dropPolicy("consul-ecs-client-policy")
		m.logins.Roles[reconcile.ClientRole] = reconcile.Role{ID: "id", Name: reconcile.ClientRole}
		if got, want := sweep(), "create policy consul-ecs-client-policy\n"+role; got != want {
			t.Errorf("without the policy it does\n%swant\n%s", got, want)
		}
		delete(m.logins.Methods, reconcile.ServiceMethod)
		delete(m.logins.Rules, reconcile.ClientMethod)
		if got, want := sweep(), method+rule; got != want {
			t.Errorf("without a method and a rule it does\n%swant\n%s", got, want)
		}
	})
}

// What another controller has made is taken over: roles of other accounts, endpoints and a
// server ID stay.
func TestLoginsAreTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.logins.Primary = false
		m.tokens[reconcile.AnonymousToken] = reconcile.Token{AccessorID: reconcile.AnonymousToken}
		m.logins.Methods[reconcile.ServiceMethod] = reconcile.AuthMethod{Name: reconcile.ServiceMethod, Type: "aws-iam", Description: "by hand", Exists: true,
			Config: map[string]any{"BoundIAMPrincipalARNs": []any{"arn:aws:iam::999999999999:role/*"}, "ServerIDHeaderValue": "consul.example.com", "EnableIAMEntityDetails": true}}
		m.logins.Rules[reconcile.ServiceMethod] = []reconcile.BindingRule{{Method: reconcile.ServiceMethod, BindType: "service", BindName: "${entity_name}"}}
		c := m.controller(t, loggingIn, func(c *Config) { c.Once = true })
		if err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		have := m.logins.Methods[reconcile.ServiceMethod]
		if got, want := fmt.Sprint(have.Config["BoundIAMPrincipalARNs"]), "[arn:aws:iam::999999999999:role/* arn:aws:iam::123456789012:role/consul-ecs/*]"; got != want {
			t.Errorf("principals %s, want %s", got, want)
		}
		if have.Config["ServerIDHeaderValue"] != "consul.example.com" || have.Description != "by hand" {
			t.Errorf("settings that are not ours were touched: %+v", have)
		}
		if got := fmt.Sprint(have.Config["IAMEntityTags"]); got != "[consul.hashicorp.com.service-name consul.hashicorp.com.namespace]" {
			t.Errorf("tags %s", got)
		}
		if n := len(m.logins.Rules[reconcile.ServiceMethod]); n != 1 {
			t.Errorf("%d binding rules, want the one by hand", n)
		}
		m.run("gw", "consul.hashicorp.com/gateway-kind", "mesh-gateway")
		if err := m.controller(t, loggingIn, func(c *Config) { c.Once = true }).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		rules := m.logins.Rules[reconcile.ServiceMethod]
		for _, r := range rules[1:] {
			if r.BindType != "role" || !strings.Contains(r.Selector, `entity_tags["consul.hashicorp.com.gateway-kind"] == "`) {
				t.Errorf("beside the one by hand there is rule %+v", r)
			}
		}
		if got := fmt.Sprint(m.logins.Methods[reconcile.ServiceMethod].Config["IAMEntityTags"]); len(rules) != 5 || !strings.HasSuffix(got, "consul.hashicorp.com.gateway-kind]") {
			t.Errorf("with a gateway there are %d rules, tags %s", len(rules), got)
		}
		if _, ok := m.policies["anonymous-token-policy"]; ok {
			t.Error("in a secondary datacenter the anonymous token's policy was made")
		}
	})
}

// An auth method of another type, and a policy of somebody else, are refused and nothing is made.
func TestLoginsOfSomebodyElse(t *testing.T) {
	for name, change := range map[string]func(*model){
		"type": func(m *model) {
			m.logins.Methods[reconcile.ServiceMethod] = reconcile.AuthMethod{Name: reconcile.ServiceMethod, Type: "jwt", Exists: true}
		},
		"policy": func(m *model) {
			m.policies["Consul-ECS-client-policy"] = reconcile.Policy{ID: "p", Name: "Consul-ECS-client-policy", Rules: `acl = "write"`}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel()
				change(m)
				err := m.controller(t, loggingIn, func(c *Config) { c.Once = true }).Run(t.Context())
				if err == nil || !strings.Contains(err.Error(), "delete it") {
					t.Errorf("it ends with %v", err)
				}
				for _, call := range []string{"PutRole", "PutAuthMethod", "CreateBindingRule", "PutToken"} {
					if n := m.calls[call]; n > 0 {
						t.Errorf("%d calls of %s", n, call)
					}
				}
			})
		})
	}
}

// Tokens of logins are deleted after the grace, and only those of this cluster's tasks that
// are gone.
func TestLoginsAreReaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		arn := m.run("web")
		id := arn[strings.LastIndexByte(arn, '/')+1:]
		m.loggedIn("mine", modelCluster, id)
		m.loggedIn("again", modelCluster, id)
		m.loggedIn("gone", modelCluster, "gone-before")
		m.loggedIn("other", modelCluster+"-2", "of-another-cluster")
		m.locked(func() {
			forged := m.tokens["gone"]
			forged.AccessorID, forged.SecretID, forged.Method = "forged", "secret-of-forged", ""
			m.tokens["forged"] = forged
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := m.controller(t, loggingIn)
		go func() { _ = c.Run(ctx) }()
		after(115 * time.Second)
		if !m.has("gone") {
			t.Error("a token was deleted within the grace")
		}
		after(20 * time.Second)
		if m.has("gone") || !m.has("mine") {
			t.Errorf("after the grace: gone %v, mine %v", m.has("gone"), m.has("mine"))
		}
		m.stop(arn)
		after(145 * time.Second)
		var left []string
		m.locked(func() { left = slices.Sorted(maps.Keys(m.tokens)) })
		if want := []string{"forged", "other"}; !slices.Equal(left, want) {
			t.Errorf("left are %v, want %v", left, want)
		}
		cancel()
		synctest.Wait()
	})
}

// A path that would trust more roles than it says is refused.
func TestRolePath(t *testing.T) {
	for path, fine := range map[string]bool{"/": true, "/consul-ecs/": true, "consul-ecs": true, "/a/b/": true, "/*": false, "/a b/": false, "//": false, "/${x}/": false} {
		_, err := Config{Cluster: "c", RolePath: path, Log: newModel().controller(t).log}.resolved()
		if (err == nil) != fine {
			t.Errorf("%q: %v", path, err)
		}
	}
}
