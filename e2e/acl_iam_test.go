package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/acl/iam"
	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// An installation of consul-ecs v0.6 moves: its controller is gone, ours takes over what that
// has made, tasks of both go on logging in, and the tokens of those that have ended go.
func TestControllerTakesOverLogins(t *testing.T) {
	t.Parallel()
	const cluster = "prod"
	role := loginRole("web")
	role.Path = "/consul-ecs/"
	s, fake := loginBed(t, "", role) // as the old controller left it, but for another cluster's account
	theirs, _, err := s.API.ACL().AuthMethodRead(loginMethod, nil)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Config["BoundIAMPrincipalARNs"] = []string{"arn:aws:iam::999999999999:role/consul-ecs/*"}
	if _, _, err := s.API.ACL().AuthMethodUpdate(theirs, nil); err != nil {
		t.Fatal(err)
	}
	b := &aclBed{consul: s, cloud: awsfake.New(t.Cleanup)}
	b.cloud.Enforce(aclPolicy(t, "controller-role.json"))
	b.token = b.grant(t, "acl-controller", aclRules(t))
	task := b.mesh(cluster, "web")
	id := task[strings.LastIndexByte(task, '/')+1:]
	client := func(task string) *iam.Client {
		return loginClient(t, s, fake, role, func(c *iam.Config) { c.TaskID, c.Cluster = task, awsfake.ClusterARN(cluster) })
	}
	if _, err := client(id).Login(t.Context(), time.Second); err == nil {
		t.Fatal("a role of an account that is not trusted has logged in")
	}

	p := b.startIAM(t, cluster)
	harness.Eventually(t, time.Minute, "what tasks log in by", func() error { return loginsStand(s.API) })
	live, err := client(id).Login(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := client("0123456789abcdef").Login(t.Context(), time.Minute) // of a task that was killed
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, time.Minute, "the end of a dead task's token", func() error { return noToken(s.API, gone.AccessorID) })
	if have, _, err := s.API.ACL().TokenRead(live.AccessorID, nil); err != nil || len(have.ServiceIdentities) != 1 {
		t.Fatalf("the living task's token: %+v, %v", have, err)
	}
	b.cloud.ECS.Stop(task)
	harness.Eventually(t, time.Minute, "the end of its token", func() error { return noToken(s.API, live.AccessorID) })

	before := p.Output()
	if _, err := s.API.ACL().AuthMethodDelete("iam-ecs-client-token", nil); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, time.Minute, "the auth method again", func() error { return loginsStand(s.API) })
	if strings.Contains(before, "[WARN]") || strings.Contains(before, live.SecretID.Reveal()) {
		t.Errorf("the log of a good life:\n%s", before)
	}
	if n := b.cloud.Calls()["secretsmanager:GetSecretValue"]; n != 0 {
		t.Errorf("it read %d secrets", n)
	}
	stopped(t, p)
}

// startIAM starts a controller of tasks that all log in.
func (b *aclBed) startIAM(t *testing.T, cluster string) *harness.Process {
	t.Helper()
	argv, env := b.command(t, b.consul.HTTP, cluster, "--iam-role-path", "/consul-ecs/", "--interval", "100ms", "--audit-interval", "500ms", "--deletion-grace", "500ms")
	i := slices.Index(argv, "--secret-name-prefix")
	return harness.Start(t, "controller", slices.Delete(argv, i, i+2), env)
}

// loginsStand says whether everything is there that tasks log in by.
func loginsStand(c *api.Client) error {
	for method, bind := range map[string]string{"iam-ecs-client-token": "consul-ecs-client-role", loginMethod: "${entity_tags." + tagName + "}"} {
		have, _, err := c.ACL().AuthMethodRead(method, nil)
		if err != nil || have == nil {
			return fmt.Errorf("method %s: %v", method, err)
		}
		if got := fmt.Sprint(have.Config["BoundIAMPrincipalARNs"]); !strings.Contains(got, "arn:aws:iam::123456789012:role/consul-ecs/*") {
			return fmt.Errorf("%s trusts %s", method, got)
		}
		rules, _, err := c.ACL().BindingRuleList(method, nil)
		if err != nil || len(rules) != 1 || rules[0].BindName != bind {
			return fmt.Errorf("rules of %s: %+v, %v", method, rules, err)
		}
	}
	service, _, err := c.ACL().AuthMethodRead(loginMethod, nil)
	if err != nil {
		return err
	}
	if got := fmt.Sprint(service.Config["BoundIAMPrincipalARNs"]); !strings.Contains(got, "999999999999") || service.Config["STSEndpoint"] == "" {
		return fmt.Errorf("what was there is gone: %v", service.Config)
	}
	role, _, err := c.ACL().RoleReadByName("consul-ecs-client-role", nil)
	if err != nil || role == nil || len(role.Policies) != 1 || role.Policies[0].Name != "consul-ecs-client-policy" {
		return fmt.Errorf("role %+v, %v", role, err)
	}
	anonymous, _, err := c.ACL().TokenRead("00000000-0000-0000-0000-000000000002", nil)
	if err != nil || !slices.ContainsFunc(anonymous.Policies, func(l *api.ACLLink) bool { return l.Name == "anonymous-token-policy" }) {
		return fmt.Errorf("the anonymous token: %+v, %v", anonymous, err)
	}
	return nil
}

// noToken says whether a token is gone.
func noToken(c *api.Client, accessor string) error {
	if _, _, err := c.ACL().TokenRead(accessor, nil); err == nil || !strings.Contains(err.Error(), "not found") {
		return fmt.Errorf("token %s: %v", accessor, err)
	}
	return nil
}
