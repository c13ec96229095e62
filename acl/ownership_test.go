package acl

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
)

func TestOnceAndDryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		var out bytes.Buffer
		dry := m.controller(t, func(c *Config) { c.Once, c.DryRun, c.Out = true, true, &out })
		if err := dry.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := "web: fill secret pre-web with new IDs\nweb: create policy web-service\nweb: create token with the IDs of the secret, policies [web-service]\n"
		if out.String() != want {
			t.Errorf("dry run printed\n%swant\n%s", out.String(), want)
		}
		if len(m.tokens)+len(m.policies) != 0 || m.content("pre-web") != "{}" {
			t.Error("a dry run wrote something")
		}
		once := func(c *Config) { c.Once = true }
		if err := m.controller(t, once).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := m.check(dry.naming); err != nil {
			t.Error(err)
		}
		m.run("missing")
		if err := m.controller(t, once).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "secret pre-missing does not exist") {
			t.Errorf("with something undone, Run returned %v", err)
		}
		create := func(c *Config) { c.Once, c.CreateSecrets = true, true }
		if err := m.controller(t, create).Run(t.Context()); err != nil {
			t.Error(err)
		}
		if err := m.check(dry.naming); err != nil {
			t.Error(err)
		}
	})
}

// TestTwoClusters share a Consul, and have a service of the same name.
func TestTwoClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev, dev2 := newModel(), newModel()
		dev2.tokens, dev2.policies = dev.tokens, dev.policies // one Consul
		dev.setSecret("a-web", "{}")
		dev2.setSecret("b-web", "{}")
		arn := dev.run("web")
		dev2.run("web")
		a := dev.controller(t, func(c *Config) { c.Cluster, c.SecretPrefix = "dev", "a" })
		b := dev2.controller(t, func(c *Config) { c.Cluster, c.SecretPrefix = "dev-2", "b" })
		work(t, a, time.Second)
		work(t, b, time.Second)
		if len(dev.tokens) != 2 || len(dev.policies) != 1 {
			t.Fatalf("%d tokens, %d policies", len(dev.tokens), len(dev.policies))
		}
		dev.stop(arn)
		work(t, a, 5*time.Minute)
		if len(dev.tokens) != 1 || dev.content("a-web") != "{}" {
			t.Errorf("dev's token is still there, or too much is gone: %d tokens", len(dev.tokens))
		}
		if err := dev2.check(b.naming); err != nil {
			t.Errorf("dev-2 lost something to dev: %v", err)
		}
	})
}

// TestTakesOver begins with what consul-ecs has left.
func TestTakesOver(t *testing.T) {
	for _, version := range []string{"v0.2 on EC2", "v0.4 on Fargate"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel()
				have := newCreds()
				m.setSecret("pre-web", string(have.JSON()))
				m.run("web")
				old := reconcile.Token{AccessorID: have.AccessorID, SecretID: have.SecretID, Created: time.Now()}
				if version == "v0.2 on EC2" {
					old.Description, old.Identities = "Token for web service\nconsul.hashicorp.com/cluster: prod", []string{"web"}
				} else {
					old.Description, old.Policies = "Token for web service\nconsul.hashicorp.com/cluster: "+modelCluster, linkTo("web-service")
					m.policies["web-service"] = reconcile.Policy{ID: policyID("web-service"), Name: "web-service", Description: "Policy for web service\nconsul.hashicorp.com/cluster: " + modelCluster,
						Rules: "service \"web\" {\n  policy = \"write\"\n}\nservice \"web-sidecar-proxy\" {\n  policy = \"write\"\n}\nservice_prefix \"\" {\n  policy = \"read\"\n}\nnode_prefix \"\" {\n  policy = \"read\"\n}"}
				}
				m.tokens[have.AccessorID] = old
				var out bytes.Buffer
				c := m.controller(t, func(c *Config) { c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Warn}) })
				work(t, c, time.Hour)
				if m.creds(t, "pre-web") != have || len(m.tokens) != 1 || m.calls["PutToken"]+m.calls["PutSecret"] != 0 {
					t.Errorf("a running installation was changed: %v", m.calls)
				}
				if out.Len() > 0 {
					t.Errorf("something is held to be wrong:\n%s", out.String())
				}
			})
		})
	}
}

func TestPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web-n1-p", "{}")
		m.setSecret("pre-web-default-default", "{}")
		m.run("web", tagPartition, "p", tagNamespace, "n1")
		m.run("web", tagPartition, "p")  // one without the other
		m.run("web", tagNamespace, "n1") // one without the other
		m.run("web")                     // default/default: not ours
		var out bytes.Buffer
		c := m.controller(t, func(c *Config) {
			c.Partition = "p"
			c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})
		})
		work(t, c, time.Minute)
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
		want := "Token for web service\nconsul.hashicorp.com/cluster: " + modelCluster + "\nconsul.hashicorp.com/partition: p\nconsul.hashicorp.com/namespace: n1"
		for _, tok := range m.tokens {
			if tok.Description != want || !slices.Equal(tok.Policies, linkTo("web-n1-service", "cross-namespace-read")) {
				t.Errorf("token %q with policies %v", tok.Description, tok.Policies)
			}
		}
		if len(m.tokens) != 1 || !slices.Equal(m.spaces, []string{"default", "n1"}) {
			t.Errorf("%d tokens, namespaces %v", len(m.tokens), m.spaces)
		}
		if n := strings.Count(out.String(), "give both or neither"); n != 2 {
			t.Errorf("half tags named %d times:\n%s", n, out.String())
		}
	})
}

func TestConfigIsRefusedAtOnce(t *testing.T) {
	_, err := newController(Config{Interval: -1, RotateAfter: -1}, deps{})
	for _, want := range []string{"cluster:", "secret-name-prefix:", "interval:", "rotate-after:", "logger"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if fmt.Sprint(err) == "" {
		t.Error("no text")
	}
}

// TestMissingPartitionIsMade makes the partition first, once; a dry run only says so.
func TestMissingPartitionIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.partitions = []string{"default"}
		m.setSecret("pre-web-n1-p", "{}")
		m.run("web", tagPartition, "p", tagNamespace, "n1")
		m.gate = func(call string, _ int) error {
			if !slices.Contains(m.partitions, "p") && slices.Contains([]string{"Tokens", "Policies", "Namespaces", "PutToken"}, call) {
				return fmt.Errorf("%s in a partition that does not exist", call)
			}
			return nil
		}
		var out bytes.Buffer
		dry := m.controller(t, func(c *Config) { c.Partition, c.DryRun, c.Once, c.Out = "p", true, true, &out })
		if err := dry.Run(t.Context()); err == nil || !strings.Contains(err.Error(), `partition "p" does not exist`) {
			t.Errorf("a dry run: %v", err)
		}
		if out.String() != "partition p: create partition p\n" || m.calls["CreatePartition"] != 0 {
			t.Errorf("a dry run printed %q, and made %d", out.String(), m.calls["CreatePartition"])
		}
		c := m.controller(t, func(c *Config) { c.Partition = "p" })
		work(t, c, time.Hour)
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
		if m.calls["CreatePartition"] != 1 || m.calls["Partitions"] != 2 {
			t.Errorf("calls: %v", m.calls)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		after(time.Minute)
		m.locked(func() { m.partitions = []string{"default"} })
		after(time.Minute)
		m.locked(func() {
			if m.calls["CreatePartition"] != 2 {
				t.Error("a partition that went while the controller works was not made again")
			}
		})
		cancel()
		synctest.Wait()
		open := m.controller(t, func(c *Config) { c.Partition = "default" })
		before := m.calls["Partitions"]
		work(t, open, time.Minute)
		if m.calls["Partitions"] != before {
			t.Error("the default partition was looked for")
		}
	})
}
