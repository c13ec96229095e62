package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

func names(links []*api.ACLLink) (out []string) {
	for _, l := range links {
		out = append(out, l.Name)
	}
	return out
}

// Each thing that cannot be used is named once, with its reason and the IAM
// action that is missing, over many audits; the good service beside has its
// token, and nothing that is served or said shows a secret.
func badInput(t *testing.T, b *aclBed) {
	const cluster = "odd"
	mesh := func(service, secret string) {
		b.mesh(cluster, service)
		if secret == "" {
			b.cloud.Secrets.Remove(aclPrefix+"-"+service, false)
		} else {
			b.cloud.Secrets.Set(aclPrefix+"-"+service, secret)
		}
	}
	mesh("odd-good", "{}")
	mesh("odd-text", "hunter2")
	mesh("odd-more", `{"password":"hunter3"}`)
	mesh("odd-none", "")
	mesh("odd-denied", "{}")
	b.cloud.Intercept(func(c awsfake.Call) awsfake.Fault {
		if strings.Contains(c.Resource, "odd-denied") {
			return awsfake.Fault{Code: "AccessDeniedException", Message: "no identity-based policy allows the action"}
		}
		return awsfake.Fault{}
	})
	b.cloud.ECS.Run(cluster, "", map[string]string{"consul.hashicorp.com/mesh": "true"}) // no tag, and a bad ARN
	b.cloud.ECS.Run(cluster, "fam", map[string]string{"consul.hashicorp.com/mesh": "yes"})
	listen := harness.Address(t) + ":9903"
	p := b.start(t, "controller", cluster, "--interval", "100ms", "--audit-interval", "200ms", "--listen", listen, "--log-level", "trace")
	b.agreed(t, time.Minute, aclPrefix+"-odd-good")
	for _, want := range []string{
		"secret shop-odd-text: its content is not a JSON object",
		"secret shop-odd-more holds other keys",
		"secret shop-odd-none does not exist: create it with content {}, or run with --create-secrets",
		"needs secretsmanager:GetSecretValue on shop-odd-denied",
		"and no family in task definition",
		`is not \"true\"`,
	} {
		logged(t, p, want)
	}
	b.sweeps(t, 10) // four audits or so
	log := p.Output()
	for _, want := range []string{"odd-text: its", "odd-more holds", "odd-none does", "GetSecretValue on shop-odd-denied", "no family in", "does the ECS service propagate"} {
		if n := strings.Count(log, want); n != 1 {
			t.Errorf("%q was said %d times, want once:\n%s", want, n, log)
		}
	}
	for _, never := range []string{"hunter2", "hunter3"} {
		if strings.Contains(log, never) {
			t.Errorf("the log shows the content of a secret, %s", never)
		}
	}
	if n := len(b.owned(t, cluster)); n != 1 {
		t.Errorf("%d tokens, want that of the good service", n)
	}
	metrics, err := scrape(listen, "/metrics")
	if err != nil {
		t.Error(err)
	}
	health, err := scrape(listen, "/health")
	if err != nil {
		t.Error(err)
	}
	b.discreet(t, p, metrics, health)
	stopped(t, p)
}

// A replaced token stays until every task of the service reports, in the meta
// of its instance, that it uses the new one. Who never reports is named. Quiet
// sweeps ask nobody for it.
func rotation(t *testing.T, b *aclBed) {
	const cluster, service, secret = "turn", "turn-web", aclPrefix + "-turn-web"
	tasks := []string{b.mesh(cluster, service), b.mesh(cluster, service)}
	tap := newConsulTap(t, b.consul.HTTP)
	start := func(name string, flags ...string) *harness.Process {
		t.Helper()
		argv, env := b.command(t, tap.URL, cluster, append([]string{"--interval", "100ms"}, flags...)...)
		return harness.Start(t, name, argv, env)
	}
	// Registered by hand, as their agents would.
	report := func(arn, accessor string) {
		t.Helper()
		id := arn[strings.LastIndexByte(arn, '/')+1:]
		meta := map[string]string{"task-id": id}
		if accessor != "" {
			meta["acl-accessor"] = accessor
		}
		if _, err := b.consul.API.Catalog().Register(&api.CatalogRegistration{Node: "ecs-" + id, Address: "10.0.0.1",
			Service: &api.AgentService{ID: service + "-" + id, Service: service, Meta: meta}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	alive := func(accessor string) bool {
		t.Helper()
		token, _, err := b.consul.API.ACL().TokenRead(accessor, nil)
		return err == nil && token != nil
	}

	turning := start("turning", "--rotate-after", "500ms", "--audit-interval", "100ms")
	old := b.agreed(t, time.Minute, secret)
	for _, arn := range tasks {
		report(arn, old.AccessorID)
	}
	var now *api.ACLToken
	harness.Eventually(t, time.Minute, "a new token", func() (err error) {
		if now, err = b.agree(secret); err == nil && now.AccessorID == old.AccessorID {
			err = errors.New("the old one")
		}
		return err
	})
	b.sweeps(t, 4) // audits among them
	if !alive(old.AccessorID) {
		t.Fatal("the old token is gone while both tasks report it")
	}
	if n := len(b.owned(t, cluster)); n != 2 {
		t.Fatalf("%d tokens, want the old and the new: it must not be replaced again meanwhile", n)
	}
	stopped(t, turning)

	steady := start("steady", "--rotate-after", "1h", "--audit-interval", "100ms")
	silent := tasks[1][strings.LastIndexByte(tasks[1], '/')+1:]
	report(tasks[0], now.AccessorID)
	report(tasks[1], "")
	logged(t, steady, "an older token is kept: task "+silent+" does not report that it uses token "+now.AccessorID)
	b.sweeps(t, 4)
	if !alive(old.AccessorID) {
		t.Error("the old token is gone while a task does not report")
	}
	if n := strings.Count(steady.Output(), "task "+silent); n != 1 {
		t.Errorf("the silent task was named %d times, want once", n)
	}
	report(tasks[1], now.AccessorID)
	harness.Eventually(t, time.Minute, "the end of the old token", func() error {
		if alive(old.AccessorID) {
			return errors.New("it is there")
		}
		return nil
	})
	if have := b.agreed(t, time.Minute, secret); have.AccessorID != now.AccessorID || len(b.owned(t, cluster)) != 1 {
		t.Errorf("left are %v, want %s alone", b.owned(t, cluster), now.AccessorID)
	}
	b.discreet(t, steady)
	stopped(t, steady)

	quiet := start("quiet", "--rotate-after", "1h", "--audit-interval", "1h")
	b.sweeps(t, 3)
	tap.reset()
	b.cloud.ResetCalls()
	b.sweeps(t, 5)
	stopped(t, quiet)
	lists := tap.count(func(c string) bool { return c == "GET /v1/acl/tokens" })
	if other := tap.count(nil) - lists; other != 0 || lists == 0 {
		t.Errorf("quiet sweeps made %d calls of Consul beside %d lists of tokens", other, lists)
	}
	if calls := b.cloud.Calls(); len(calls) != 1 {
		t.Errorf("quiet sweeps called %v", calls)
	}
}
