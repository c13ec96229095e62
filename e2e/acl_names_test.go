package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// Whoever may tag a task may name services. No name gets what is another's: not by
// case, which Consul ignores for policies; not by a policy that somebody wrote by
// hand; not by the name of a proxy, or of a secret of the installation's own.
func TestControllerServesNoNameTwice(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	if _, _, err := b.consul.API.ACL().PolicyCreate(&api.ACLPolicy{Name: "ops-service", Description: "for the operators",
		Rules: `service_prefix "" { policy = "write" } acl = "write" operator = "write"`}, nil); err != nil {
		t.Fatal(err)
	}
	const cluster = "names"
	for _, service := range []string{"WEB", "ops", "web-sidecar-proxy", "gossip-key", "bootstrap-token", "ca-cert", "ca-key", "database", "web"} {
		b.mesh(cluster, service)
	}
	p := b.start(t, "controller", cluster, "--interval", "100ms", "--audit-interval", "300ms", "--create-secrets", "--reserved", "database,"+aclPrefix+"-other")
	token := b.agreed(t, time.Minute, aclPrefix+"-web")
	for _, want := range []string{
		`service name \"WEB\" has capital letters`,
		`service name \"web-sidecar-proxy\" ends in`,
		`secret \"shop-gossip-key\", which is the installation's own`,
		`secret \"shop-bootstrap-token\", which is`,
		`secret \"shop-ca-cert\", which is`,
		`secret \"shop-ca-key\", which is`,
		`secret \"shop-database\", which is`,
		"policy ops-service was written by somebody else",
	} {
		logged(t, p, want)
	}
	b.sweeps(t, 8) // audits among them
	for _, want := range []string{"has capital letters", `\"web-sidecar-proxy\" ends in`, "shop-gossip-key", "policy ops-service was written"} {
		if n := strings.Count(p.Output(), want); n != 1 {
			t.Errorf("%s was said %d times, want once:\n%s", want, n, p.Output())
		}
	}
	if owned := b.owned(t, cluster); len(owned) != 1 || owned[0] != token.AccessorID {
		t.Errorf("tokens %v, want web's alone", owned)
	}
	for _, service := range []string{"WEB", "ops", "web-sidecar-proxy", "gossip-key", "bootstrap-token", "ca-cert", "ca-key", "database"} {
		if text, _ := b.cloud.Secrets.Get(aclPrefix + "-" + service); text != "{}" {
			t.Errorf("the secret of %s was filled", service)
		}
	}
	if links := names(token.Policies); len(links) != 1 || links[0] != "web-service" {
		t.Errorf("policies %v", links)
	}
	policy, _, err := b.consul.API.ACL().PolicyReadByName("web-service", nil)
	if err != nil || policy.ID != token.Policies[0].ID || !strings.HasPrefix(policy.Description, "Policy for web service\n") {
		t.Errorf("web is linked to %+v, %v", policy, err)
	}
	stopped(t, p)
}

// The reviewed attack, from its end: web is there, a task tagged WEB comes, and every
// sweep after that writes nothing.
func TestControllerWritesNothingForAnotherCase(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.mesh("prod", "web")
	tap := newConsulTap(t, b.consul.HTTP)
	argv, env := b.command(t, tap.URL, "prod", "--interval", "100ms", "--audit-interval", "300ms", "--create-secrets")
	p := harness.Start(t, "controller", argv, env)
	b.agreed(t, time.Minute, aclPrefix+"-web")
	b.sweeps(t, 3)
	tap.reset()
	b.cloud.ECS.Run("prod", "fam", map[string]string{"consul.hashicorp.com/mesh": "true", "consul.hashicorp.com/service-name": "WEB"})
	logged(t, p, "has capital letters")
	b.sweeps(t, 5)
	if n := tap.count(isWrite); n != 0 || tap.count(nil) == 0 {
		t.Errorf("%d writes of Consul in %d calls", n, tap.count(nil))
	}
	if _, made := b.cloud.Secrets.Get(aclPrefix + "-WEB"); made {
		t.Error("a secret was made for WEB")
	}
	stopped(t, p)
}

// A policy that somebody makes under the name between the look and the write is
// found by Consul's "already exists", whatever its case.
func TestControllerLooksAgainWhereAPolicyExists(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.mesh("prod", "late")
	tap := newConsulTap(t, b.consul.HTTP)
	var made bool
	before := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/v1/acl/policy" && !made { // one chain: one at a time
			made = true
			if _, _, err := b.consul.API.ACL().PolicyCreate(&api.ACLPolicy{Name: "LATE-service", Rules: `acl = "write"`}, nil); err != nil {
				t.Error(err)
			}
		}
		tap.ServeHTTP(w, r)
	}))
	t.Cleanup(before.Close)
	argv, env := b.command(t, before.URL, "prod", "--interval", "100ms")
	p := harness.Start(t, "controller", argv, env)
	logged(t, p, "policy LATE-service was written by somebody else")
	b.sweeps(t, 3)
	if owned := b.owned(t, "prod"); len(owned) != 0 {
		t.Errorf("tokens %v", owned)
	}
	stopped(t, p)
}

// The roles of deploy/iam deny the installation's own secrets, whatever the
// controller would ask for.
func TestControllerRoleDeniesTheInstallationsOwn(t *testing.T) {
	t.Parallel()
	policy := aclPolicy(t, "controller-role.json", "controller-role-create-secrets.json")
	for name, want := range map[string]bool{"web-AbC123": true, "consul-client-token-AbC123": true, "gossip-key-web-AbC123": true,
		"gossip-key-AbC123": false, "ca-cert-AbC123": false, "bootstrap-token-AbC123": false, "bootstrap-token": false} {
		arn := "arn:aws:secretsmanager:" + awsfake.Region + ":" + awsfake.Account + ":secret:" + aclPrefix + "-" + name
		for _, action := range []string{"secretsmanager:GetSecretValue", "secretsmanager:UpdateSecret", "secretsmanager:CreateSecret"} {
			if got := policy.Allows(action, arn); got != want {
				t.Errorf("%s on %s: allowed %v, want %v", action, name, got, want)
			}
		}
	}
}
