package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
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
	acl := s.API.ACL()
	if _, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: "consul-ecs-client-policy",
		Rules: `node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := acl.RoleCreate(&api.ACLRole{Name: "consul-ecs-client-role", Policies: []*api.ACLLink{{Name: "consul-ecs-client-policy"}}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := acl.AuthMethodCreate(&api.ACLAuthMethod{Name: clientMethod, Type: "aws-iam", Config: map[string]any{
		"BoundIAMPrincipalARNs": []string{"arn:aws:iam::123456789012:role/consul-ecs/*"}, "EnableIAMEntityDetails": true,
		"STSEndpoint": fake.URL, "IAMEndpoint": fake.URL}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := acl.BindingRuleCreate(&api.ACLBindingRule{AuthMethod: clientMethod,
		BindType: api.BindingRuleBindTypeRole, BindName: "consul-ecs-client-role"}, nil); err != nil {
		t.Fatal(err)
	}
	m := member{address: harness.Address(t), config: map[string]any{"task": map[string]any{"id": "0a1b2c"}}}
	doc, err := json.Marshal(map[string]any{
		"bootstrapDir": filepath.Join(t.TempDir(), "consul"), "consulHTTPAddr": "http://" + s.HTTP,
		"consulLogin": map[string]any{"enabled": true}, "service": map[string]any{"name": "web", "port": 8080}, "proxy": map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "web", Args: []string{"run", "--retry-join", s.Address},
		CMD: []string{harness.App(t), "--name", "web", "--listen", m.address + ":8080"},
		Env: []string{"CONSUL_ECS_CONFIG_JSON=" + string(doc),
			"ECS_CONTAINER_METADATA_URI_V4=" + harness.StartEndpoint(t, "0a1b2c", "web", m.address, "main").URI,
			"AWS_ACCESS_KEY_ID=" + role.Keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + role.Keys.SecretAccessKey,
			"AWS_SESSION_TOKEN=" + role.Keys.SessionToken, "AWS_ENDPOINT_URL_STS=" + fake.URL, "AWS_ENDPOINT_URL_IAM=" + fake.URL}})
	m.up(t)
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
	s.Empty(t, cleanWithin)
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
