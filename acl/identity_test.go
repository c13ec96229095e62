package acl

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
)

// logging makes a controller that writes to out.
func (m *model) logging(t *testing.T, out *bytes.Buffer, change ...func(*Config)) *Controller {
	t.Helper()
	return m.controller(t, append(change, func(c *Config) { c.Log = hclog.New(&hclog.LoggerOptions{Output: out, Level: hclog.Info}) })...)
}

func times(t *testing.T, log, want string, n int) {
	t.Helper()
	if got := strings.Count(strings.ReplaceAll(log, `\"`, `"`), want); got != n {
		t.Errorf("said %d times, want %d: %s\n%s", got, n, want, log)
	}
}

func (m *model) writes() int {
	n := 0
	for _, call := range []string{"PutToken", "DeleteToken", "CreatePolicy", "DeletePolicy", "CreateNamespace", "CreatePartition", "PutSecret", "CreateSecret"} {
		n += m.calls[call]
	}
	return n
}

// TestCapitalsAreAnotherService runs tasks of web and WEB: Consul would take the
// policy of one for the other's, so one of them gets nothing.
func TestCapitalsAreAnotherService(t *testing.T) {
	for _, services := range [][]string{{"web", "WEB"}, {"WEB", "web"}} {
		synctest.Test(t, func(t *testing.T) {
			m := newModel()
			for _, s := range services {
				m.setSecret("pre-"+s, "{}")
				m.run(s)
			}
			var out bytes.Buffer
			c := m.logging(t, &out)
			work(t, c, time.Second)
			if err := m.check(c.naming); err != nil {
				t.Error(err)
			}
			if len(m.tokens) != 1 || len(m.policies) != 1 || m.content("pre-WEB") != "{}" {
				t.Errorf("%d tokens, %d policies, secret of WEB %q", len(m.tokens), len(m.policies), m.content("pre-WEB"))
			}
			before := m.writes()
			work(t, c, time.Hour)
			if n := m.writes() - before; n != 0 {
				t.Errorf("%d writes in sweeps that change nothing: %v", n, m.calls)
			}
			times(t, out.String(), `service name "WEB" has capital letters`, 1)
		})
	}
}

// TestFamilyIsFolded: the task registers the lower-cased family, and so its token
// is for that.
func TestFamilyIsFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		arn := m.run("")
		info := m.tasks[arn]
		info.Definition = "arn:aws:ecs:us-east-1:123456789012:task-definition/CMS-Prod:3"
		m.tasks[arn] = info
		m.setSecret("pre-cms-prod", "{}")
		c := m.controller(t)
		work(t, c, time.Second)
		if err := m.check(c.naming); err != nil || len(m.own(c.naming, reconcile.Service{Name: "cms-prod"})) != 1 {
			t.Errorf("no token of cms-prod: %v", err)
		}
	})
}

// TestForeignPolicyIsNotLinked has somebody's policy of the name that ours would
// have: no token, nothing written, a failure named once; with our rules it is ours.
func TestForeignPolicyIsNotLinked(t *testing.T) {
	const broad = `service_prefix "" { policy = "write" } acl = "write"`
	for name, tt := range map[string]struct {
		policy reconcile.Policy
		linked bool
	}{
		"by hand":                  {reconcile.Policy{Name: "ops-service", Description: "for the operators", Rules: broad}, false},
		"by hand, in capitals":     {reconcile.Policy{Name: "OPS-Service", Description: "for the operators", Rules: broad}, false},
		"no rules":                 {reconcile.Policy{Name: "ops-service", Description: "for the operators"}, false},
		"another service's":        {reconcile.Policy{Name: "ops-service", Description: "Policy for web service\nconsul.hashicorp.com/cluster: " + modelCluster, Rules: broad}, false},
		"more in the description":  {reconcile.Policy{Name: "ops-service", Description: "Policy for ops service\nconsul.hashicorp.com/cluster: c\nx", Rules: broad}, false},
		"our rules":                {reconcile.Policy{Name: "ops-service", Description: "by Terraform", Rules: rulesOf("ops")}, true},
		"another cluster's":        {reconcile.Policy{Name: "ops-service", Description: "Policy for ops service\nconsul.hashicorp.com/cluster: other", Rules: rulesOf("ops")}, true},
		"ours and edited by hand":  {reconcile.Policy{Name: "ops-service", Description: "Policy for ops service\nconsul.hashicorp.com/cluster: prod", Rules: "node_prefix \"\" { policy = \"read\" }"}, true},
		"our rules for a capital":  {reconcile.Policy{Name: "OPS-service", Description: "Policy for OPS service\nconsul.hashicorp.com/cluster: prod", Rules: rulesOf("OPS")}, false},
		"our rules and some blank": {reconcile.Policy{Name: "ops-service", Description: "", Rules: "\n" + strings.ReplaceAll(rulesOf("ops"), "{", "{\n\t")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel()
				tt.policy.ID = policyID(tt.policy.Name)
				m.policies[tt.policy.Name] = tt.policy
				m.setSecret("pre-ops", "{}")
				m.run("ops")
				var out bytes.Buffer
				c := m.logging(t, &out)
				work(t, c, time.Hour)
				own := m.own(c.naming, reconcile.Service{Name: "ops"})
				if linked := len(own) == 1; linked != tt.linked {
					t.Fatalf("a token is linked: %v, want %v\n%s", linked, tt.linked, out.String())
				}
				if m.policies[tt.policy.Name] != tt.policy {
					t.Error("the policy was changed")
				}
				if tt.linked {
					if links := m.tokens[own[0]].Policies; !slices.Equal(links, linkTo(tt.policy.Name)) {
						t.Errorf("links %v", links)
					}
					return
				}
				if n := m.writes(); n != 0 || m.content("pre-ops") != "{}" {
					t.Errorf("%d writes: %v", n, m.calls)
				}
				times(t, out.String(), "policy "+tt.policy.Name+" was written by somebody else", 1)
				if c.stats.snapshot().findings != 1 {
					t.Errorf("%d findings are counted, want 1", c.stats.snapshot().findings)
				}
				once := m.controller(t, func(c *Config) { c.Once = true })
				if err := once.Run(t.Context()); err == nil {
					t.Error("--once ends well")
				}
			})
		})
	}
}

// TestPolicyThatAppearsMeanwhile is made by somebody else between the look and the
// write: "already exists" is looked at again, and then refused.
func TestPolicyThatAppearsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-ops", "{}")
		m.run("ops")
		m.gate = func(call string, _ int) error {
			if call == "CreatePolicy" {
				m.locked(func() {
					m.policies["OPS-service"] = reconcile.Policy{ID: "theirs", Name: "OPS-service", Description: "mine", Rules: `acl = "write"`}
				})
			}
			return nil
		}
		var out bytes.Buffer
		c := m.logging(t, &out)
		work(t, c, time.Hour)
		if m.calls["PutToken"] != 0 || m.calls["CreatePolicy"] != 1 {
			t.Errorf("calls: %v", m.calls)
		}
		times(t, out.String(), "policy OPS-service was written by somebody else", 1)
	})
}

// TestForeignClientPolicy is the same for the agents, and for what Enterprise's
// services share.
func TestForeignClientPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.policies["PRE-consul-client-policy"] = reconcile.Policy{ID: "theirs", Name: "PRE-consul-client-policy", Description: "mine", Rules: `acl = "write"`}
		m.policies["cross-namespace-read"] = reconcile.Policy{ID: "too", Name: "cross-namespace-read", Description: "mine", Rules: `acl = "write"`}
		m.setSecret("pre-agents", "{}")
		m.setSecret("pre-web-n1-p", "{}")
		m.run("web", tagPartition, "p", tagNamespace, "n1")
		var out bytes.Buffer
		c := m.logging(t, &out, func(c *Config) { c.ClientSecret, c.Partition = "pre-agents", "p" })
		m.partitions = []string{"default", "p"}
		work(t, c, time.Hour)
		if n := m.writes(); n != 0 {
			t.Errorf("%d writes: %v", n, m.calls)
		}
		times(t, out.String(), "policy PRE-consul-client-policy was written by somebody else", 1)
		times(t, out.String(), "policy cross-namespace-read was written by somebody else", 1)
		times(t, out.String(), "no token: policy cross-namespace-read of partition p is somebody else's", 1)
	})
}

// TestNamesThatRunIntoEachOther has pay in api-eu and pay-api in eu, whose policies
// and secrets would be the same: one of them is refused, named, and has nothing.
func TestNamesThatRunIntoEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.partitions = []string{"default", "p"}
		m.setSecret("pre-pay-api-eu-p", "{}")
		m.run("pay-api", tagPartition, "p", tagNamespace, "eu")
		var out bytes.Buffer
		c := m.logging(t, &out, func(c *Config) { c.Partition = "p" })
		work(t, c, time.Second)
		m.run("pay", tagPartition, "p", tagNamespace, "api-eu")
		before := m.writes()
		work(t, c, time.Hour)
		if len(m.tokens) != 1 || len(m.own(c.naming, reconcile.Service{Name: "pay-api", Namespace: "eu", Partition: "p"})) != 1 {
			t.Errorf("tokens: %v", m.tokens)
		}
		if made := m.writes() - before; made != 1 || m.calls["CreateNamespace"] != 2 { // the namespace alone
			t.Errorf("%d writes: %v", made, m.calls)
		}
		times(t, out.String(), "is that of service p/eu/pay-api as well", 1)

		fresh := newModel() // both new: the same one is refused whoever is listed first
		fresh.partitions = m.partitions
		fresh.setSecret("pre-pay-api-eu-p", "{}")
		fresh.run("pay", tagPartition, "p", tagNamespace, "api-eu")
		fresh.run("pay-api", tagPartition, "p", tagNamespace, "eu")
		out.Reset()
		c = fresh.logging(t, &out, func(c *Config) { c.Partition = "p" })
		work(t, c, time.Hour)
		if len(fresh.tokens) != 1 {
			t.Errorf("%d tokens", len(fresh.tokens))
		}
		times(t, out.String(), "as well: rename one of the two", 1)
	})
}

// TestInstallationsSecretsAreLeftAlone tags tasks with the names of every secret
// that the installation has.
func TestInstallationsSecretsAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		names := []string{"gossip-key", "ca-cert", "bootstrap-token", "consul-client-token", "client", "client-tokens", "db", "whole"}
		for _, name := range names {
			m.setSecret("pre-"+name, "{}")
			m.run(name)
		}
		var out bytes.Buffer
		c := m.logging(t, &out, func(c *Config) {
			c.ClientSecret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:pre-client-tokens" // its suffix left out
			c.Reserved = []string{"db", "arn:aws:secretsmanager:us-east-1:123456789012:secret:pre-whole-AbC123"}
			c.CreateSecrets = true
		})
		m.denied[c.cfg.ClientSecret] = true
		work(t, c, time.Hour)
		for _, name := range names {
			if got := m.content("pre-" + name); got != "{}" {
				t.Errorf("secret pre-%s was filled by a tag", name)
			}
			times(t, out.String(), `"pre-`+name+`", which is the installation's own`, 1)
		}
		if n := m.writes(); n != 0 {
			t.Errorf("%d writes: %v", n, m.calls)
		}
	})
}

// TestTokensOfNamesNotServed were made before names were checked: they are named
// once and left alone, and do not stand in the way of the service of that name.
func TestTokensOfNamesNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		m.run("WEB")
		old := reconcile.Token{AccessorID: "old", SecretID: "s", Description: "Token for WEB service\nconsul.hashicorp.com/cluster: prod"}
		m.tokens["old"] = old
		var out bytes.Buffer
		c := m.logging(t, &out, func(c *Config) { c.DeletionGrace = -1 })
		work(t, c, time.Hour)
		if len(m.own(c.naming, web)) != 1 {
			t.Error("web has no token")
		}
		if m.tokens["old"].Description != old.Description || m.calls["DeleteToken"] != 0 {
			t.Error("a token that tasks may use was deleted")
		}
		times(t, out.String(), "token old is left alone", 1)
	})
}

// TestFindingsGoWithTheirService counts what stands, not what once stood.
func TestFindingsGoWithTheirService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		c := m.controller(t)
		st := newMemory()
		sweep := func() {
			t.Helper()
			if err := c.sweep(t.Context(), st); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 5 {
			arn := m.run("feature-" + string(rune('a'+i))) // there is no secret of that name
			sweep()
			if n := c.stats.snapshot().findings; n != 1 {
				t.Errorf("%d findings while the task runs, want 1", n)
			}
			m.stop(arn)
			for range forgetAfter {
				sweep()
			}
		}
		if n := c.stats.snapshot().findings; n != 0 || len(st.retry) != 0 || len(c.findings.open) != 0 {
			t.Errorf("left are %d findings, retries %v, said %v", n, st.retry, c.findings.open)
		}
	})
}
