package parts

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/consulagent"
	"meshtask/e2e/harness"
	"meshtask/internal/testbed/eventually"
	"meshtask/supervisor"
)

// An agent that runs takes another token, writes its node by it once the old one has been
// deleted, and leaves by it. By its own token, whose policy is consul-ecs's, it could not.
func TestAgentTakesAnotherToken(t *testing.T) {
	b := newAgentBed(t, harness.ServerConfig{ACL: true})
	agent, service := b.tokens()
	acl := b.server.API.ACL()
	made, _, err := acl.TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{Name: "client"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := b.agent("t1").secure(agent, func() string { return service })
	a.cfg.Replaces = true
	unit := consulagent.New(a.cfg)
	a.runUnit(unit, supervisor.Policy{}).up()
	direct, err := api.NewClient(&api.Config{Address: a.address + ":8500", Token: agent})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := direct.Raw().Write("/v1/agent/token/agent", api.AgentToken{Token: made.SecretID}, nil, nil); err == nil || !strings.Contains(err.Error(), "agent:write") {
		t.Errorf("the agent's own token may replace it: %v", err)
	}
	if err := unit.Replace(t.Context(), made.SecretID); err != nil {
		t.Fatal(err)
	}
	old, _, err := acl.TokenReadSelf(&api.QueryOptions{Token: agent})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acl.TokenDelete(old.AccessorID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.server.API.Catalog().Deregister(&api.CatalogDeregistration{Node: a.doc.NodeName}, nil); err != nil {
		t.Fatal(err)
	}
	if err := unit.Replace(t.Context(), made.SecretID); err != nil { // Consul's own agent syncs in full after it
		t.Fatal(err)
	}
	harness.Eventually(t, time.Minute, "the agent writes its node again", func() error {
		n, _, err := b.server.API.Catalog().Node(a.doc.NodeName, &api.QueryOptions{RequireConsistent: true})
		if err == nil && n == nil {
			err = errors.New("the catalog does not have it")
		}
		return err
	})
	if result, _ := a.leave(); result != "verified" {
		t.Errorf("left: %s", result)
	}
	b.server.Empty(t, eventually.Patience)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, line := range a.lines {
		if strings.Contains(line, "ACL not found") || strings.Contains(line, made.SecretID) || strings.Contains(line, agent) {
			t.Errorf("the agent says: %s", line)
		}
	}
}
