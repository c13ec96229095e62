package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/acl/iam"
	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// mayWrite says whether a token may write a service, by doing so.
func mayWrite(t testing.TB, b *aclBed, secret, service string) error {
	t.Helper()
	_, err := harness.Client(t, b.consul.HTTP, secret).Catalog().Register(&api.CatalogRegistration{Node: awsfake.ClusterARN("gates"), SkipNodeUpdate: true,
		Address: "127.0.0.1", Service: &api.AgentService{ID: service + "-probe", Service: service}}, nil)
	return err
}

// A terminating gateway may write what its config entry links, soon after it was linked and no longer
// than it is; by a secret and by a login. A service that is none may not.
func TestControllerTerminatingGateway(t *testing.T) {
	t.Parallel()
	const cluster = "gates"
	roles := []awsfake.Role{loginRole("gw-login"), loginRole("plain")}
	roles[0].Tags["consul.hashicorp.com.gateway-kind"] = "terminating-gateway"
	s, fake := loginBed(t, "", roles...)
	b := &aclBed{consul: s, cloud: awsfake.New(t.Cleanup)}
	b.cloud.Enforce(aclPolicy(t, "controller-role.json"))
	b.token = b.grant(t, "acl-controller", aclRules(t))
	b.mesh(cluster, "web")
	b.cloud.Secrets.Set(aclPrefix+"-gw", "{}")
	gateway := b.cloud.ECS.Run(cluster, "family", map[string]string{"consul.hashicorp.com/mesh": "true", "consul.hashicorp.com/service-name": "gw",
		"consul.hashicorp.com/gateway-kind": "terminating-gateway"})
	link := func(services ...string) {
		t.Helper()
		for _, name := range []string{"gw", "gw-login"} {
			entry := &api.TerminatingGatewayConfigEntry{Kind: api.TerminatingGateway, Name: name}
			for _, s := range services {
				entry.Services = append(entry.Services, api.LinkedService{Name: s})
			}
			if _, _, err := s.API.ConfigEntries().Set(entry, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	link("ext")
	p, _ := b.agentless(t, cluster, "--iam-role-path", "/consul-ecs/")
	secrets := map[string]string{"gw": b.agreed(t, time.Minute, aclPrefix+"-gw").SecretID, "web": b.agreed(t, time.Minute, aclPrefix+"-web").SecretID}
	harness.Eventually(t, time.Minute, "the role of the gateway", func() error {
		role, _, err := s.API.ACL().RoleReadByName("gw-login-terminating-gateway-role", nil)
		rules, _, err2 := s.API.ACL().BindingRuleList(loginMethod, nil)
		if err == nil && (role == nil || len(role.Policies) != 1 || len(rules) != 6) {
			err = fmt.Errorf("%+v, %d rules", role, len(rules))
		}
		return errors.Join(err, err2)
	})
	for _, role := range roles { // of this task: another's would be reaped
		token, err := loginClient(t, s, fake, role, func(c *iam.Config) { c.TaskID, c.Cluster = gateway[len(gateway)-32:], awsfake.ClusterARN(cluster) }).Login(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		secrets[role.Tags[tagName]] = token.SecretID.Reveal()
	}
	check := func(service string, may bool) {
		t.Helper()
		for _, who := range []string{"gw", "gw-login"} {
			harness.Eventually(t, time.Minute, fmt.Sprintf("%s may write %s: %v", who, service, may), func() error {
				if err := mayWrite(t, b, secrets[who], service); (err == nil) != may {
					return fmt.Errorf("not so: %v", err)
				}
				return nil
			})
		}
		for _, who := range []string{"web", "plain"} {
			if mayWrite(t, b, secrets[who], service) == nil {
				t.Errorf("%s may write %s", who, service)
			}
		}
	}
	check("ext", true)
	check("pay", false)
	link("pay")
	check("pay", true)
	check("ext", false)
	for _, name := range []string{"gw", "gw-login"} {
		if _, err := s.API.ConfigEntries().Delete(api.TerminatingGateway, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	check("pay", false)
	stopped(t, p)
}
