package consulagent

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"meshtask/internal/testbed/consulfake"
	"meshtask/internal/testbed/eventually"
	"meshtask/internal/testbed/faulty"
)

const agentMeta = "agents-accessor"

// written is the section acl.tokens of the agent's configuration file.
func (a *acted) written(t *testing.T) (tokens struct {
	Agent    string
	Recovery string `json:"agent_recovery"`
}) {
	t.Helper()
	doc, err := os.ReadFile(a.file)
	if err != nil {
		t.Fatal(err)
	}
	all := struct{ ACL struct{ Tokens any } }{}
	all.ACL.Tokens = &tokens
	if err := json.Unmarshal(doc, &all); err != nil {
		t.Fatal(err)
	}
	return tokens
}

// An agent takes another token while it runs, by the recovery token of its file, and leaves by
// the new one when the old has been deleted.
func TestReplace(t *testing.T) {
	for name, extra := range map[string]map[string]any{
		"ours":       nil,
		"the user's": {"acl": map[string]any{"tokens": map[string]any{"agent_recovery": "given"}}},
	} {
		t.Run(name, func(t *testing.T) {
			a := act(t, "running joined", vanish)
			a.cfg.Replaces, a.doc.Extra = true, extra
			unit := New(*a.cfg)
			if err := unit.Replace(t.Context(), "other"); err == nil {
				t.Error("an agent that does not run has taken a token")
			}
			ready, stop := a.live(t, unit)
			eventually.Get(t, "ready", ready)
			has := a.written(t)
			if extra != nil && has.Recovery != "given" || len(has.Recovery) < 5 || has.Agent != "agent-secret" {
				t.Errorf("the file has %+v", has)
			}
			a.servers.With(func(s *consulfake.State) { s.Recovery = has.Recovery })
			if err := unit.Replace(t.Context(), "other"); err != nil {
				t.Fatal(err)
			}
			a.servers.With(func(s *consulfake.State) {
				if s.Own != "other" {
					t.Errorf("the agent's token is %q", s.Own)
				}
				delete(s.Tokens, "agent-secret")
			})
			if _, err := stop(); err != nil || !a.told("step left result verified") {
				t.Errorf("%v, %q", err, a.notes)
			}
			for _, call := range a.servers.Calls("GET /v1/catalog/") {
				if call.Token != "other" {
					t.Errorf("it looks for its node by %q", call.Token)
				}
			}
		})
	}
}

// Without the recovery token nothing changes: neither for an agent whose token stays, nor for
// one that does not know the token that it is told.
func TestReplaceIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		replaces bool
		says     string
	}{
		"its token stays": {false, "no recovery token"},
		"refused":         {true, "agent:write"},
	} {
		t.Run(name, func(t *testing.T) {
			a := act(t, "running joined", vanish)
			a.cfg.Replaces = c.replaces
			unit := New(*a.cfg)
			ready, stop := a.live(t, unit)
			eventually.Get(t, "ready", ready)
			if has := a.written(t); (has.Recovery != "") != c.replaces {
				t.Errorf("the file has %+v", has)
			}
			if err := unit.Replace(t.Context(), "other"); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "other") {
				t.Errorf("%v", err)
			}
			if _, err := stop(); err != nil {
				t.Error(err)
			}
			for _, call := range a.servers.Calls("GET /v1/catalog/") {
				if call.Token != "agent-secret" {
					t.Errorf("it looks for its node by %q", call.Token)
				}
			}
		})
	}
}

// Each agent has a recovery token of its own, and keeps it from life to life.
func TestRecoveryToken(t *testing.T) {
	one, two := New(Config{Replaces: true}), New(Config{Replaces: true})
	if one.recovery == two.recovery || len(one.recovery) < 20 || New(Config{}).recovery != "" {
		t.Errorf("%d and %d bytes", len(one.recovery), len(two.recovery))
	}
	if err := CheckExtra(map[string]any{"acl": map[string]any{"tokens": map[string]any{"agent_recovery": "x"}}}); err != nil {
		t.Error(err)
	}
}

// The service says which token its agent has: by what Consul knows at that moment.
func TestAgentAccessor(t *testing.T) {
	for name, c := range map[string]struct {
		first, later string // the agent's token
		want         string
	}{
		"another":         {"agent-secret", "other", "of-agent of-other"},
		"the service's":   {"secret", "secret", "of-secret of-secret"},
		"none":            {"", "", "none none"},
		"unknown by then": {"agent-secret", "gone", "of-agent "},
	} {
		f := newServers(t)
		agents := c.first
		client := newTestClient(t, f, func(cfg *ClientConfig) {
			cfg.AgentAccessorMeta, cfg.AgentToken = agentMeta, func() string { return agents }
		})
		if err := client.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		agents = c.later
		if err := client.Renew(t.Context(), "secret"); err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, call := range f.Calls("PUT /v1/agent/service/register") {
			var s api.AgentServiceRegistration
			if err := json.Unmarshal([]byte(call.Body), &s); err != nil {
				t.Fatal(err)
			}
			if s.Kind == "" {
				said = append(said, s.Meta[agentMeta])
			}
		}
		if diff := cmp.Diff(c.want, strings.Join(said, " ")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A look at the agent's token that fails for a moment is repeated: what is not said is never
// said later.
func TestAgentAccessorIsAskedAgain(t *testing.T) {
	f := newServers(t)
	client := newTestClient(t, f, func(cfg *ClientConfig) {
		cfg.AgentAccessorMeta, cfg.AgentToken = agentMeta, func() string { return "agent-secret" }
	})
	const look = "/v1/acl/token/self"
	once := faulty.Fault{Do: func() { f.Fail(look, faulty.Fault{}) }, Status: 500, Text: "rpc error: EOF"}
	f.Fail(look, faulty.Fault{Do: func() { f.Fail(look, once) }})
	if err := client.Renew(t.Context(), "secret"); err != nil {
		t.Fatal(err)
	}
	calls := f.Calls("PUT /v1/agent/service/register")
	if n := f.Count("GET " + look); n != 3 || len(calls) != 2 || !strings.Contains(calls[0].Body, `"`+agentMeta+`":"of-agent"`) {
		t.Errorf("%d looks, then %d registrations", n, len(calls))
	}
}
