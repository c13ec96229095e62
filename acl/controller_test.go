package acl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

var web = Service{Name: "web"}

// after lets d pass, and whatever happens then.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// work runs the controller in a bubble of fake time for d, and then stops it.
func work(t *testing.T, c *Controller, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := c.Run(ctx); err != nil {
		t.Fatalf("Run: %v", err)
	}
	synctest.Wait() // what Run has started has ended
}

func TestUpsert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.run("web")
		m.run("")
		m.setSecret("pre-web", "{}")
		m.setSecret("pre-fam", `{"accessor_id":"","token":""}`)
		var order []string
		m.gate = func(call string, _ int) error {
			if slices.Contains([]string{"PutSecret", "CreatePolicy", "PutToken"}, call) {
				order = append(order, call)
			}
			return nil
		}
		c := m.controller(t)
		m.stop(slices.Sorted(func(yield func(string) bool) {
			for arn, i := range m.tasks {
				if i.Tags[tagService] == "" && !yield(arn) {
					return
				}
			}
		})...)
		work(t, c, time.Second)
		if want := []string{"PutSecret", "CreatePolicy", "PutToken"}; !slices.Equal(order, want) {
			t.Errorf("order of the calls: %v, want %v", order, want)
		}
		m.gate = nil
		m.run("") // the name is the family's
		work(t, m.controller(t), time.Second)
		if err := m.check(c.naming, "pre"); err != nil {
			t.Error(err)
		}
	})
}

func TestScaleToZeroAndBackKeepsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		arn := m.run("web")
		c := m.controller(t)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		after(time.Second)
		before := m.content("pre-web")
		m.stop(arn)
		after(119 * time.Second)
		if m.content("pre-web") != before || len(m.own(c.naming, web)) != 1 {
			t.Errorf("the token was touched within the grace")
		}
		arn = m.run("web") // and so the grace begins anew
		after(20 * time.Second)
		m.stop(arn)
		after(119 * time.Second)
		if m.content("pre-web") != before || len(m.own(c.naming, web)) != 1 {
			t.Errorf("coming back did not renew the grace")
		}
		after(22 * time.Second) // the last service of the cluster ends
		if got := m.content("pre-web"); got != "{}" {
			t.Errorf("the secret was not cleared: %q", strings.ReplaceAll(got, before, "the old token"))
		}
		if err := m.check(c.naming, "pre"); err != nil {
			t.Error(err)
		}
		m.run("web")
		after(11 * time.Second)
		if err := m.check(c.naming, "pre"); err != nil {
			t.Errorf("after coming back from nothing: %v", err)
		}
		cancel()
		wg.Wait()
	})
}

func TestNothingIsDeletedAfterAPartOfTheTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		for range 150 { // two pages, web's task on the second
			m.run("other", tagMesh, "false")
		}
		m.run("web")
		c := m.controller(t, func(c *Config) { c.DeletionGrace = -1 })
		work(t, c, time.Second)
		if err := m.check(c.naming, "pre"); err != nil {
			t.Fatal(err)
		}
		lists := 0
		m.gate = func(call string, _ int) error {
			if call == "ListTasks" {
				if lists++; lists%2 == 0 {
					return errors.New("the second page fails")
				}
			}
			return nil
		}
		work(t, c, 10*time.Minute)
		if err := m.check(c.naming, "pre"); err != nil {
			t.Error(err)
		}
		if m.calls["DeleteToken"] != 0 {
			t.Errorf("%d tokens deleted", m.calls["DeleteToken"])
		}
	})
}

func TestOneMissingSweepDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		arn := m.run("web")
		c := m.controller(t, func(c *Config) { c.DeletionGrace = -1 })
		st := newState()
		sweep := func() {
			t.Helper()
			if err := c.sweep(t.Context(), st); err != nil {
				t.Fatal(err)
			}
		}
		sweep()
		info := m.tasks[arn]
		m.stop(arn)
		sweep()
		m.tasks[arn] = info // ECS's list is eventually consistent
		sweep()
		m.stop(arn)
		sweep()
		if m.calls["DeleteToken"] != 0 {
			t.Fatal("a token was deleted though no two sweeps in a row missed its task")
		}
		sweep()
		if m.calls["DeleteToken"] != 1 {
			t.Error("the token outlived its service")
		}
	})
}

func TestMending(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, m *model, have Creds)
		same   bool // the IDs stay
		within time.Duration
	}{
		{"token deleted", func(_ *testing.T, m *model, have Creds) {
			m.locked(func() { delete(m.tokens, have.AccessorID) })
		}, true, 11 * time.Second},
		{"secret emptied", func(_ *testing.T, m *model, _ Creds) { m.setSecret("pre-web", "{}") }, true, 11 * time.Minute},
		{"accessor in the secret edited", func(_ *testing.T, m *model, have Creds) {
			m.setSecret("pre-web", string(Creds{newUUID(), have.SecretID}.json()))
		}, true, 11 * time.Minute},
		{"token in the secret edited", func(_ *testing.T, m *model, have Creds) {
			m.setSecret("pre-web", string(Creds{have.AccessorID, "11111111-1111-4111-8111-111111111111"}.json()))
		}, true, 11 * time.Minute},
		{"policy deleted", func(_ *testing.T, m *model, _ Creds) { m.locked(func() { m.dropPolicy("web-service") }) }, true, 11 * time.Second},
		{"policy unlinked", func(_ *testing.T, m *model, have Creds) {
			m.locked(func() {
				tok := m.tokens[have.AccessorID]
				tok.Policies = nil
				m.tokens[have.AccessorID] = tok
			})
		}, true, 11 * time.Second},
		{"token and secret gone", func(_ *testing.T, m *model, have Creds) {
			m.locked(func() { delete(m.tokens, have.AccessorID) })
			m.setSecret("pre-web", "{}")
		}, false, 11 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel()
				m.setSecret("pre-web", "{}")
				m.run("web")
				c := m.controller(t)
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() { _ = c.Run(ctx) })
				after(time.Second)
				have := m.creds(t, "pre-web")
				tt.damage(t, m, have)
				after(tt.within)
				if err := m.check(c.naming, "pre"); err != nil {
					t.Error(err)
				}
				if now := m.creds(t, "pre-web"); (now == have) != tt.same {
					t.Errorf("IDs kept: %v, want %v", now == have, tt.same)
				}
				cancel()
				wg.Wait()
			})
		})
	}
}

func TestClientToken(t *testing.T) {
	const name = "pre-consul-client-token"
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret(name, "{}")
		m.tokens["foreign"] = Token{AccessorID: "foreign", SecretID: "f", Description: clientTokenDescription}
		c := m.controller(t, func(c *Config) { c.ClientSecret = name })
		good := func(when string) Creds {
			t.Helper()
			have := m.creds(t, name)
			tok := m.tokens[have.AccessorID]
			if tok.SecretID != have.SecretID || !slices.Equal(tok.Policies, []string{"pre-consul-client-policy"}) || len(m.tokens) != 2 {
				t.Fatalf("%s: secret and token differ, or there are %d tokens", when, len(m.tokens))
			}
			return have
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Run(ctx) })
		after(time.Second)
		first := good("made")
		m.locked(func() { delete(m.tokens, first.AccessorID) })
		after(10 * time.Second)
		if good("deleted by hand") != first {
			t.Error("the token was re-created with other IDs")
		}
		m.setSecret(name, "{}")
		after(10 * time.Minute)
		if good("emptied by hand") != first {
			t.Error("the secret was not refilled with the token that there is")
		}
		cancel()
		wg.Wait()
	})
}

// TestBadInput gives one of each kind beside a good service.
func TestBadInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		m.run("plain", tagMesh, "no")
		m.run("a.b")
		m.run("missing")
		m.setSecret("pre-text", "hunter2")
		m.run("text")
		m.setSecret("pre-denied", "{}")
		m.denied["pre-denied"] = true
		m.run("denied")
		m.setSecret("pre-extra", `{"note":"keep"}`)
		m.run("extra")
		m.tokens["of-another"] = Token{AccessorID: "11111111-1111-4111-8111-111111111111", SecretID: "x", Description: "mine"}
		m.tokens["11111111-1111-4111-8111-111111111111"] = m.tokens["of-another"]
		delete(m.tokens, "of-another")
		m.setSecret("pre-thief", `{"accessor_id":"11111111-1111-4111-8111-111111111111","token":"11111111-1111-4111-8111-222222222222"}`)
		m.run("thief")
		var out bytes.Buffer
		c := m.controller(t, func(c *Config) { c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info}) })
		work(t, c, 30*time.Minute)
		log := strings.ReplaceAll(out.String(), `\"`, `"`)
		for _, want := range []string{
			`is not "true"`, `service "a.b" makes no name of a Consul policy`, `secret pre-missing does not exist: create it`,
			"secret pre-text: its content is not a JSON object", "needs secretsmanager:GetSecretValue on pre-denied",
			"secret pre-extra holds other keys", "secret pre-thief names token 11111111-1111-4111-8111-111111111111, which is not",
		} {
			if n := strings.Count(log, want); n != 1 {
				t.Errorf("said %d times, want once: %s", n, want)
			}
		}
		if strings.Contains(log, "hunter2") || strings.Contains(log, m.creds(t, "pre-web").SecretID.Reveal()) {
			t.Error("a secret was logged")
		}
		if len(m.own(c.naming, web)) != 1 {
			t.Error("the good service has no token")
		}
		if got := m.content("pre-text") + m.content("pre-extra"); got != `hunter2{"note":"keep"}` {
			t.Errorf("a secret that is not ours was changed: %s", got)
		}
		m.setSecret("pre-missing", "{}") // as soon as it is there, it is filled
		work(t, c, 61*time.Second)
		if len(m.own(c.naming, Service{Name: "missing"})) != 1 {
			t.Error("a secret that was created late was not filled")
		}
	})
}

func TestStartWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		start := time.Now()
		m.gate = func(call string, _ int) error {
			switch {
			case call == "ListTasks" && time.Since(start) < 30*time.Second:
				return errors.New("no route")
			case call == "Tokens" && time.Since(start) < 60*time.Second:
				return &Denied{By: "Consul", Needs: "acl:read for CONSUL_HTTP_TOKEN", Reason: "Permission denied"}
			}
			return nil
		}
		var out bytes.Buffer
		c := m.controller(t, func(c *Config) { c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info}) })
		work(t, c, 80*time.Second)
		if err := m.check(c.naming, "pre"); err != nil {
			t.Error(err)
		}
		if !strings.Contains(out.String(), "needs acl:read for CONSUL_HTTP_TOKEN") {
			t.Errorf("the missing privilege is not named:\n%s", out.String())
		}
		if n := m.calls["Tokens"]; n > 25 {
			t.Errorf("%d tries in a minute: no back-off", n)
		}
	})
}

// TestStopFinishesTheChain asks the controller to stop during each call of a
// chain: the secret that is filled has its token, and 5 s are enough.
func TestStopFinishesTheChain(t *testing.T) {
	for _, during := range []string{"PutSecret", "CreatePolicy", "PutToken"} {
		t.Run(during, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel()
				m.setSecret("pre-web", "{}")
				m.run("web")
				ctx, cancel := context.WithCancel(t.Context())
				var asked time.Time
				m.gate = func(call string, _ int) error {
					time.Sleep(700 * time.Millisecond)
					if call == during {
						asked = time.Now()
						cancel()
					}
					return nil
				}
				c := m.controller(t)
				if err := c.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(asked); took > 5*time.Second {
					t.Errorf("the stop took %v", took)
				}
				if err := m.check(c.naming, "pre"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestStopIsBounded stops it while Consul hangs.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		ctx, cancel := context.WithCancel(t.Context())
		c := m.controller(t)
		hung := hungConsul{model: m, asked: cancel}
		c.consul = hung
		start := time.Now()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

type hungConsul struct {
	*model
	asked func()
}

func (h hungConsul) PutToken(ctx context.Context, _ Token) error {
	h.asked()
	<-ctx.Done()
	return context.Cause(ctx)
}

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
		if err := m.check(dry.naming, "pre"); err != nil {
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
		if err := m.check(dry.naming, "pre"); err != nil {
			t.Error(err)
		}
	})
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		one, two := m.run("web"), m.run("web")
		var out bytes.Buffer
		c := m.controller(t, func(c *Config) {
			c.RotateAfter = 24 * time.Hour
			c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Run(ctx) })
		after(23 * time.Hour)
		old := m.creds(t, "pre-web")
		after(2 * time.Hour)
		now := m.creds(t, "pre-web")
		if old == now || len(m.own(c.naming, web)) != 2 {
			t.Fatalf("not rotated, or the old token is gone: %d tokens", len(m.own(c.naming, web)))
		}
		report := func(arn, accessor string) {
			m.locked(func() {
				m.reports[web] = append(m.reports[web], Report{TaskID: arn[strings.LastIndexByte(arn, '/')+1:], AccessorID: accessor})
			})
		}
		report(one, now.AccessorID)
		report(two, old.AccessorID)
		after(48 * time.Hour)
		if n := len(m.own(c.naming, web)); n != 2 {
			t.Fatalf("%d tokens while a task uses the old one", n)
		}
		if !strings.Contains(out.String(), "task "+two[strings.LastIndexByte(two, '/')+1:]+" does not report") {
			t.Errorf("the task that keeps the old token is not named:\n%s", out.String())
		}
		m.locked(func() { m.reports[web] = m.reports[web][:1] })
		report(two, now.AccessorID)
		after(11 * time.Minute)
		if _, there := m.tokens[old.AccessorID]; there {
			t.Error("the old token was kept though every task reports the new one")
		}
		cancel()
		wg.Wait()
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
		if err := dev2.check(b.naming, "b"); err != nil {
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
				m.setSecret("pre-web", string(have.json()))
				m.run("web")
				old := Token{AccessorID: have.AccessorID, SecretID: have.SecretID, Created: time.Now()}
				if version == "v0.2 on EC2" {
					old.Description, old.Identities = "Token for web service\nconsul.hashicorp.com/cluster: prod", []string{"web"}
				} else {
					old.Description, old.Policies = "Token for web service\nconsul.hashicorp.com/cluster: "+modelCluster, []string{"web-service"}
					m.policies["web-service"] = Policy{ID: "web-service", Name: "web-service", Description: "Policy for web service\nconsul.hashicorp.com/cluster: " + modelCluster,
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

func TestEditedPolicyIsNamedOnceAndLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		const rules = `service "web" { policy = "write" } key_prefix "" { policy = "read" }`
		m.policies["web-service"] = Policy{ID: "web-service", Name: "web-service", Description: "Policy for web service\nconsul.hashicorp.com/cluster: prod", Rules: rules}
		var out bytes.Buffer
		c := m.controller(t, func(c *Config) { c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Warn}) })
		work(t, c, time.Hour)
		if n := strings.Count(out.String(), "edited by hand"); n != 1 {
			t.Errorf("named %d times:\n%s", n, out.String())
		}
		if m.policies["web-service"].Rules != rules {
			t.Error("the policy was changed")
		}
		if m.calls["PolicyRules"] != 1 {
			t.Errorf("an unchanged policy was read %d times", m.calls["PolicyRules"])
		}
	})
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
		if err := m.check(c.naming, "pre"); err != nil {
			t.Error(err)
		}
		want := "Token for web service\nconsul.hashicorp.com/cluster: " + modelCluster + "\nconsul.hashicorp.com/partition: p\nconsul.hashicorp.com/namespace: n1"
		for _, tok := range m.tokens {
			if tok.Description != want || !slices.Equal(tok.Policies, []string{"web-n1-service", "cross-namespace-read"}) {
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
	_, err := New(Config{Interval: -1, RotateAfter: -1}, nil, nil, nil, nil)
	for _, want := range []string{"cluster:", "secret-name-prefix:", "interval:", "rotate-after:", "logger"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if fmt.Sprint(err) == "" {
		t.Error("no text")
	}
}
