package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/e2e/load"
)

// Tokens are rotated under two tasks that call each other, those of the services and that of
// their agents: the old ones are deleted once the tasks use the new ones, no request is lost,
// and Envoy, whose bootstrap still has the old one, gets a new stream by the new one when its
// agent comes back.
func TestTaskFollowsARotation(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.consul.HTTPServices(t)
	b.consul.Allow(t, "web", "apis")
	b.cloud.Secrets.Set(clientSecret, "{}")
	controller := b.start(t, "controller", "prod", "--consul-client-secret-arn", clientSecret, "--rotate-after", "6s")
	apis, arn := b.rotated(t, "apis-1", "apis", nil)
	web, _ := b.rotated(t, "web", "web", func(c map[string]any) {
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "apis", "localBindPort": 9191}}}
	})
	first := map[string]string{"apis": b.accessor(t, "apis"), "web": b.accessor(t, "web")}
	agents := b.reports(t, "web", "acl-agent-accessor")
	if other := b.reports(t, "apis", "acl-agent-accessor"); agents == "" || other == "" {
		t.Fatalf("the agents' tokens are said to be %q and %q", agents, other)
	}
	url := "http://" + web.address + ":9191/"
	answers(t, url, http.StatusOK, "apis-1")

	g := load.Start(t.Context(), load.Config{URL: url, LongURL: url + "slow?ms=300", Rate: 100, NewConn: 50, Long: 3, Body: 32})
	for service, accessor := range first {
		b.deleted(t, accessor)
		if now := b.accessor(t, service); now == accessor {
			t.Errorf("%s reports the token that is deleted", service)
		}
	}
	b.deleted(t, agents)
	for service, m := range map[string]member{"apis": apis, "web": web} {
		if now := b.reports(t, service, "acl-agent-accessor"); now == agents {
			t.Errorf("the agent of %s is said to have the token that is deleted", service)
		}
		m.Await(t, soon, "up", "token", "step", "renewed")
		m.without(t, "up", "consul-agent", "restart", "")
		m.without(t, "up", "health-sync", "step", "critical")
	}
	report := g.Stop()
	t.Logf("%d requests, %d failed %s", report.Sent, len(report.Failures), report.Kinds())
	if len(report.Failures) > 0 || report.Sent < 20 {
		t.Errorf("%d of %d requests were lost: %s%s", len(report.Failures), report.Sent, report.Kinds(), report.Firsts())
	}

	// By its new token an agent writes its node when that is missing ...
	nodes, err := b.consul.Nodes()
	if err != nil || len(nodes) != 2 {
		t.Fatalf("nodes %v, %v", nodes, err)
	}
	for _, node := range nodes {
		if _, err := b.consul.API.Catalog().Deregister(&api.CatalogDeregistration{Node: node}, nil); err != nil {
			t.Fatal(err)
		}
	}
	harness.Eventually(t, 90*time.Second, "the agents write their nodes again", func() error {
		if now, err := b.consul.Nodes(); err != nil || !slices.Equal(now, nodes) {
			return fmt.Errorf("%v, %v", now, err)
		}
		return nil
	})
	b.consul.Passing(t, soon, "apis", 1)

	// ... endpoints still reach web's Envoy ...
	second, _ := b.rotated(t, "apis-2", "apis", nil)
	apis.term(t)
	apis.ended(t, 0)
	b.cloud.ECS.Stop(arn)
	answers(t, url, http.StatusOK, "apis-2")
	// ... and intentions the Envoy of apis, once it has lost its stream.
	apis = second
	b.deleted(t, b.accessor(t, "apis"))
	apis.kill(t, "consul-agent", 1)
	apis.Await(t, soon, "up", "consul-agent", "restart", "")
	b.consul.Passing(t, soon, "apis", 1)
	if _, err := b.consul.API.ConfigEntries().Delete(api.ServiceIntentions, "apis", nil); err != nil {
		t.Fatal(err)
	}
	answers(t, url, http.StatusForbidden, "")
	for _, m := range []member{web, apis} {
		b.discreet(t, m.Process)
	}

	for _, m := range []member{web, apis} {
		m.term(t)
		if s := m.ended(t, 0); s.Left != "verified" || s.Deregistered != "verified" {
			t.Errorf("%s left: %s, deregistered: %s", m.Name, s.Left, s.Deregistered)
		}
		for line := range strings.Lines(m.Output()) {
			if strings.Contains(line, "agent.anti_entropy") && strings.Contains(line, "ACL") {
				t.Errorf("the agent of %s could not write its node: %s", m.Name, line)
			}
		}
	}
	b.consul.Empty(t, soon)
	stopped(t, controller)
}

// rotated starts a task whose tokens are in secrets, and has it in the cluster.
func (b *aclBed) rotated(t *testing.T, name, service string, edit func(map[string]any)) (m member, arn string) {
	t.Helper()
	arn = b.mesh("prod", service)
	id := arn[strings.LastIndexByte(arn, '/')+1:]
	m = prepare(t, b.consul, id, service, func(c map[string]any) {
		c["acl"] = map[string]any{"serviceToken": tokenOf(aclPrefix + "-" + service), "agentToken": tokenOf(clientSecret), "refresh": "1s"}
		if edit != nil {
			edit(c)
		}
	})
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: name, Config: m.config, Env: b.cloud.Environment(),
		CMD: []string{harness.App(t), "--name", name, "--listen", m.address + ":8080"}})
	m.up(t)
	return m, arn
}

// deleted waits until a token is.
func (b *aclBed) deleted(t *testing.T, accessor string) {
	t.Helper()
	harness.Eventually(t, 90*time.Second, "token "+accessor+" is deleted", func() error {
		_, _, err := b.consul.API.ACL().TokenRead(accessor, nil)
		if err == nil {
			return errors.New("it is there")
		}
		return nil
	})
}

// accessor is the token that the one instance of a service reports.
func (b *aclBed) accessor(t *testing.T, service string) string {
	t.Helper()
	return b.reports(t, service, "acl-accessor")
}

// reports is what the one instance of a service says in its meta.
func (b *aclBed) reports(t *testing.T, service, key string) string {
	t.Helper()
	list, err := b.consul.Instances(service)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d instances of %s, %v", len(list), service, err)
	}
	return list[0].Service.Meta[key]
}
