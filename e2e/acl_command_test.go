package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

const clientSecret = aclPrefix + "-consul-client-token"

func TestControllerCommand(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.cloud.Secrets.Set(clientSecret, "{}")
	b.mesh("prod", "web")
	b.cloud.ECS.Run("prod", "batch", nil)
	listen := harness.Address(t) + ":9903"
	p := b.start(t, "controller", "prod", "--consul-client-secret-arn", clientSecret, "--listen", listen)

	token := b.agreed(t, time.Minute, aclPrefix+"-web")
	if want := "Token for web service\nconsul.hashicorp.com/cluster: " + awsfake.ClusterARN("prod"); token.Description != want {
		t.Errorf("description %q, want %q", token.Description, want)
	}
	mine := harness.Client(t, b.consul.HTTP, token.SecretID)
	for _, name := range []string{"web", "web-sidecar-proxy"} {
		if err := mine.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: name}); err != nil {
			t.Errorf("cannot register %s: %v", name, err)
		}
	}
	if err := mine.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "api"}); err == nil {
		t.Error("web's token registers api")
	}
	client := b.agreed(t, time.Minute, clientSecret)
	if client.Description != "ECS Consul client Token" || len(client.Policies) != 1 || client.Policies[0].Name != aclPrefix+"-consul-client-policy" {
		t.Errorf("client token %+v", client)
	}

	b.mesh("prod", "late")
	b.agreed(t, time.Minute, aclPrefix+"-late")
	harness.Eventually(t, time.Minute, "metrics", func() error {
		return controllerSays(listen, "/metrics", "meshtask_acl_leading 1", "meshtask_acl_services 2", "meshtask_acl_tasks_skipped 1",
			`meshtask_acl_api_calls_total{api="ecs:ListTasks",result="ok"}`)
	})
	if err := controllerSays(listen, "/health", "working"); err != nil {
		t.Error(err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, p, soon, 0)
	log := p.Output()
	for _, secret := range []string{token.SecretID, client.SecretID, b.token} {
		if strings.Contains(log, secret) {
			t.Error("the log shows a secret ID")
		}
	}
	if n := strings.Count(log, "propagate"); n != 1 {
		t.Errorf("the skipped task was named %d times, want once, with the reason:\n%s", n, log)
	}
}

func controllerSays(addr, path string, want ...string) error {
	text, err := scrape(addr, path)
	for _, w := range want {
		if err == nil && !strings.Contains(text, w) {
			err = fmt.Errorf("%s answers without %q:\n%s", path, w, text)
		}
	}
	return err
}

func scrape(addr, path string) (string, error) {
	c := &http.Client{Timeout: 30 * time.Second}
	defer c.CloseIdleConnections()
	resp, err := c.Get("http://" + addr + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", path, resp.StatusCode, text)
	}
	return string(text), err
}

// A wrong token says what is missing, and the controller works as soon as the
// token is right.
func TestControllerWithAWrongConsulToken(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.mesh("prod", "web")
	const given = "6d1c6a0e-0000-4000-8000-000000000001"
	b.token = given
	p := b.start(t, "controller", "prod")
	says := func(what string) {
		t.Helper()
		harness.Eventually(t, time.Minute, "the log says "+what, func() error {
			if !strings.Contains(p.Output(), what) {
				return errors.New("not yet")
			}
			return nil
		})
	}
	says("a CONSUL_HTTP_TOKEN that this datacenter knows")
	acl := b.consul.API.ACL()
	policy, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: "weak", Rules: `node_prefix "" { policy = "read" }`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := acl.TokenCreate(&api.ACLToken{SecretID: given, Policies: []*api.ACLLink{{Name: "weak"}}}, nil); err != nil {
		t.Fatal(err)
	}
	says("acl:read for CONSUL_HTTP_TOKEN")
	policy.Rules = `acl = "write"`
	if _, _, err := acl.PolicyUpdate(policy, nil); err != nil {
		t.Fatal(err)
	}
	b.agreed(t, time.Minute, aclPrefix+"-web")
	if strings.Contains(p.Output(), given) {
		t.Error("the log shows the token")
	}
}

// What consul-ecs made is taken as it is: nothing is written.
func TestControllerTakesOverFromConsulECS(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	acl := b.consul.API.ACL()
	const line = "\nconsul.hashicorp.com/cluster: "
	rules := `
  service "web" {
    policy = "write"
  }
  service "web-sidecar-proxy" {
    policy = "write"
  }
  service_prefix "" {
    policy = "read"
  }
  node_prefix "" {
    policy = "read"
  }`
	if _, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: "web-service",
		Description: "Policy for web service" + line + awsfake.ClusterARN("prod"), Rules: rules}, nil); err != nil {
		t.Fatal(err)
	}
	before := map[string]uint64{}
	for service, make := range map[string]*api.ACLToken{
		"web": {Description: "Token for web service" + line + awsfake.ClusterARN("prod"), Policies: []*api.ACLLink{{Name: "web-service"}}},
		"old": {Description: "Token for old service" + line + "prod", // v0.2 on EC2
			ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: "old"}}},
	} {
		b.mesh("prod", service)
		token, _, err := acl.TokenCreate(make, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.cloud.Secrets.Set(aclPrefix+"-"+service, fmt.Sprintf(`{"accessor_id":%q,"token":%q}`, token.AccessorID, token.SecretID))
		before[token.AccessorID] = token.ModifyIndex
	}
	other, _, err := acl.TokenCreate(&api.ACLToken{Description: "Token for web service" + line + awsfake.ClusterARN("prod-2")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before[other.AccessorID] = other.ModifyIndex

	argv, env := b.command(t, b.consul.HTTP, "prod", "--once")
	ended(t, harness.Start(t, "once", argv, env), time.Minute, 0)
	for accessor, index := range before {
		have, _, err := acl.TokenRead(accessor, nil)
		if err != nil || have.ModifyIndex != index {
			t.Errorf("token %s was touched: %+v, %v", accessor, have, err)
		}
	}
	if n := b.cloud.Calls()["secretsmanager:UpdateSecret"]; n != 0 {
		t.Errorf("%d secrets were written", n)
	}
}

// Two replicas, one works: the other when it has given the lock up at TERM, and when the lock has
// expired after SIGKILL.
func TestControllerTakeover(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.mesh("prod", "first")
	one := b.start(t, "one", "prod", "--ha")
	b.agreed(t, time.Minute, aclPrefix+"-first")
	two := b.start(t, "two", "prod", "--ha")
	standsBy(t, two)

	held := b.lock(t)
	if err := one.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, one, soon, 0)
	if held == "" || b.lock(t) == held {
		t.Errorf("the lock of session %q is not given up", held)
	}
	b.mesh("prod", "second")
	began := time.Now()
	b.agreed(t, soon, aclPrefix+"-second")
	t.Logf("after TERM the other worked in %v", time.Since(began).Round(time.Millisecond))

	three := b.start(t, "three", "prod", "--ha")
	standsBy(t, three)
	two.Kill()
	began = time.Now()
	b.mesh("prod", "third")
	b.agreed(t, soon, aclPrefix+"-third")
	t.Logf("after SIGKILL the other worked in %v", time.Since(began).Round(time.Millisecond))
	if n := len(b.owned(t, "prod")); n != 3 {
		t.Errorf("%d tokens, want 3", n)
	}
}

// lock is the session that holds the controllers' lock, the only one of this server; "": none does.
func (b *aclBed) lock(t *testing.T) string {
	t.Helper()
	keys, _, err := b.consul.API.KV().List("", &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Session != "" {
			return k.Session
		}
	}
	return ""
}

func standsBy(t *testing.T, p *harness.Process) {
	t.Helper()
	harness.Eventually(t, time.Minute, p.Name+" stands by", func() error {
		if !strings.Contains(p.Output(), "standing by") {
			return errors.New("not yet")
		}
		return nil
	})
}
