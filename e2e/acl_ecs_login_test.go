package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
)

const clientMethod = "iam-ecs-client-token"

// A task of consul-ecs v0.6: nothing but its document, the metadata endpoint and
// the task role. Agent and service have a token each by the role, and both are
// destroyed at the end, the agent's after its leave.
func TestTaskLogsInAsConsulECSDid(t *testing.T) {
	t.Parallel()
	role := loginRole("web")
	s, fake := loginBed(t, "", role)
	consulECSInstallation(t, s, fake)
	m := startFromDocument(t, s, fake, role, "web", "0a1b2c", "web", "")
	s.Passing(t, soon, "web", 1)
	made := loginTokens(t, s)
	if len(made) != 2 {
		t.Fatalf("%d tokens by login, want one of each method: %v", len(made), made)
	}
	for method, token := range made {
		if strings.Contains(m.Output(), token.SecretID) {
			t.Errorf("the output shows the token of %s", method)
		}
		// The controllers of consul-ecs find the tokens of tasks that have died by this text.
		want := `token created via login: {"consul.hashicorp.com/cluster":"arn:aws:ecs:us-east-1:123456789012:cluster/test","consul.hashicorp.com/task-id":"0a1b2c"}`
		if token.Description != want {
			t.Errorf("%s: description %q\nwant %q", method, token.Description, want)
		}
	}
	m.term(t)
	if end := m.ended(t, 0); end.Left != "verified" || end.Deregistered != "verified" {
		t.Errorf("left %s, deregistered %s, want both verified", end.Left, end.Deregistered)
	}
	s.Empty(t, soon)
	if left := loginTokens(t, s); len(left) != 0 {
		t.Errorf("tokens are left: %v", left)
	}
}

// loginTokens are the tokens by login, by their method.
func loginTokens(t *testing.T, s *harness.Server) map[string]*api.ACLTokenListEntry {
	t.Helper()
	list, _, err := s.API.ACL().TokenList(&api.QueryOptions{RequireConsistent: true})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*api.ACLTokenListEntry{}
	for _, token := range list {
		if token.AuthMethod == "" {
			continue
		}
		if out[token.AuthMethod] != nil {
			t.Error(fmt.Errorf("two tokens of %s", token.AuthMethod))
		}
		out[token.AuthMethod] = token
	}
	return out
}
