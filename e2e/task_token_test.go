package e2e

import (
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

const unknownToken = "99999999-9999-4999-8999-999999999999"

// withTokens starts a task at a server with ACLs, which knows only the tokens that it is given.
func withTokens(t *testing.T, server *harness.Server, name, service, agent, wait string) member {
	t.Helper()
	m := prepare(t, server, name, name, func(c map[string]any) {
		c["acl"] = map[string]any{"serviceToken": "env:SERVICE_TOKEN", "agentToken": "env:OWN_TOKEN", "wait": wait}
	})
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: name, Config: m.config, CMD: []string{harness.App(t), "--listen", m.address + ":8080"},
		Env: []string{"SERVICE_TOKEN=" + service, "OWN_TOKEN=" + agent}})
	return m
}

// A token that the servers do not know ends the wait for it, the agent's own too: the agent
// itself would only log it, and the task would be up.
func TestUnknownTokensEndTheWait(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{ACL: true})
	for name, c := range map[string]struct {
		service, agent, code string
		says                 string
	}{
		"agent-token":   {server.Token, unknownToken, "agent-token-unknown", "The agent's token does not exist in Consul"},
		"service-token": {unknownToken, server.Token, "register-token-unknown", "The servers do not know the service's token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := withTokens(t, server, name, c.service, c.agent, "3s")
			m.explained(t, 203, c.code, c.says)
			if m.without(t, "up", "mesh-init", "step", "registered"); strings.Contains(m.Output(), unknownToken) {
				t.Errorf("the token is in the log:\n%s", m.Output())
			}
			if s := m.Summary(t); s.Left != "verified" {
				t.Errorf("left %s", s.Left)
			}
			if n := strings.Count(m.Output(), "Request error: method=GET url=/v1/catalog/node/"); n > 20 {
				t.Errorf("the agent logs %d refused looks for its node", n)
			}
			m.unlisted(t, server)
		})
	}
}

// An agent's token that is made after the task has started is used.
func TestAgentTokenThatComesLate(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{ACL: true})
	m := withTokens(t, server, "late-token", server.Token, unknownToken, "1m")
	m.says(t, "the agent's token does not exist in Consul")
	if _, _, err := server.API.ACL().TokenCreate(&api.ACLToken{SecretID: unknownToken, Policies: []*api.ACLLink{{Name: "global-management"}}}, nil); err != nil {
		t.Fatal(err)
	}
	m.up(t)
	m.term(t)
	if s := m.ended(t, 0); s.Left != "verified" {
		t.Errorf("left %s", s.Left)
	}
	m.unlisted(t, server)
}
