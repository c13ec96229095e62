package acl

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
)

func TestRepairs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, m *model, have reconcile.Creds)
		same   bool // the IDs stay
		within time.Duration
	}{
		{"token deleted", func(_ *testing.T, m *model, have reconcile.Creds) {
			m.locked(func() { delete(m.tokens, have.AccessorID) })
		}, true, 11 * time.Second},
		{"secret emptied", func(_ *testing.T, m *model, _ reconcile.Creds) { m.setSecret("pre-web", "{}") }, true, 11 * time.Minute},
		{"accessor in the secret edited", func(_ *testing.T, m *model, have reconcile.Creds) {
			m.setSecret("pre-web", string(reconcile.Creds{AccessorID: newUUID(), SecretID: have.SecretID}.JSON()))
		}, true, 11 * time.Minute},
		{"token in the secret edited", func(_ *testing.T, m *model, have reconcile.Creds) {
			m.setSecret("pre-web", string(reconcile.Creds{AccessorID: have.AccessorID, SecretID: "11111111-1111-4111-8111-111111111111"}.JSON()))
		}, true, 11 * time.Minute},
		{"policy deleted", func(_ *testing.T, m *model, _ reconcile.Creds) { m.locked(func() { m.dropPolicy("web-service") }) }, true, 11 * time.Second},
		{"policy unlinked", func(_ *testing.T, m *model, have reconcile.Creds) {
			m.locked(func() {
				tok := m.tokens[have.AccessorID]
				tok.Policies = nil
				m.tokens[have.AccessorID] = tok
			})
		}, true, 11 * time.Second},
		{"token and secret gone", func(_ *testing.T, m *model, have reconcile.Creds) {
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
				running(t, c)
				after(time.Second)
				have := m.creds(t, "pre-web")
				tt.damage(t, m, have)
				after(tt.within)
				if err := m.check(c.naming); err != nil {
					t.Error(err)
				}
				if now := m.creds(t, "pre-web"); (now == have) != tt.same {
					t.Errorf("IDs kept: %v, want %v", now == have, tt.same)
				}
			})
		})
	}
}

func TestClientToken(t *testing.T) {
	const name = "pre-consul-client-token"
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret(name, "{}")
		m.tokens["foreign"] = reconcile.Token{AccessorID: "foreign", SecretID: "f", Description: "ECS Consul client Token"}
		c := m.controller(t, func(c *Config) { c.ClientSecret = name })
		good := func(when string) reconcile.Creds {
			t.Helper()
			have := m.creds(t, name)
			tok := m.tokens[have.AccessorID]
			if tok.SecretID != have.SecretID || !slices.Equal(tok.Policies, linkTo("pre-consul-client-policy")) || len(m.tokens) != 2 {
				t.Fatalf("%s: secret and token differ, or there are %d tokens", when, len(m.tokens))
			}
			return have
		}
		running(t, c)
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
		m.tokens["of-another"] = reconcile.Token{AccessorID: "11111111-1111-4111-8111-111111111111", SecretID: "x", Description: "mine"}
		m.tokens["11111111-1111-4111-8111-111111111111"] = m.tokens["of-another"]
		delete(m.tokens, "of-another")
		m.setSecret("pre-thief", `{"accessor_id":"11111111-1111-4111-8111-111111111111","token":"11111111-1111-4111-8111-222222222222"}`)
		m.run("thief")
		var out bytes.Buffer
		c := m.controller(t, func(c *Config) { c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info}) })
		work(t, c, 30*time.Minute)
		log := strings.ReplaceAll(out.String(), `\"`, `"`)
		for _, want := range []string{
			`is not "true"`, `service name "a.b" must have 1–64 lower-case letters`, `secret pre-missing does not exist: create it`,
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
		if len(m.own(c.naming, reconcile.Service{Name: "missing"})) != 1 {
			t.Error("a secret that was created late was not filled")
		}
	})
}

func TestEditedPolicyIsNamedOnceAndLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		const described = "Policy for web service\nconsul.hashicorp.com/cluster: prod"
		const rules = `service "web" { policy = "write" } key_prefix "" { policy = "read" }`
		m.policies["web-service"] = reconcile.Policy{ID: policyID("web-service"), Name: "web-service", Description: described, Rules: rules}
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
		out.Reset()
		m.policies["web-service"] = reconcile.Policy{ID: policyID("web-service"), Name: "web-service", Description: described, Rules: rulesOf("web")}
		stop := running(t, c)
		after(time.Minute)
		m.locked(func() {
			m.policies["web-service"] = reconcile.Policy{ID: policyID("web-service"), Name: "web-service", Description: described, Rules: "x"}
		})
		after(time.Hour)
		stop()
		if n := strings.Count(out.String(), "edited by hand"); n != 1 {
			t.Errorf("put right and edited again, it was named %d times", n)
		}
	})
}

// TestWrongIsLookedAtAgainSoon has an audit find a secret that cannot be used;
// once it can be, it need not wait for the next audit.
func TestWrongIsLookedAtAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		work(t, m.controller(t), time.Second)
		m.setSecret("pre-web", "hunter2")
		c := m.controller(t)
		running(t, c)
		after(5 * time.Minute)
		m.setSecret("pre-web", "{}")
		after(time.Minute)
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
	})
}

// TestFailedMendIsRepeatedSoon lets the write that an audit finds necessary fail:
// it is tried again in seconds, not at the next audit.
func TestFailedMendIsRepeatedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		work(t, m.controller(t), time.Second)
		have := m.creds(t, "pre-web")
		m.setSecret("pre-web", string(reconcile.Creds{AccessorID: have.AccessorID, SecretID: "11111111-1111-4111-8111-111111111111"}.JSON()))
		m.calls["PutSecret"] = 0
		m.gate = func(call string, _ int) error {
			if call == "PutSecret" && m.calls["PutSecret"] == 1 {
				return errors.New("fails once")
			}
			return nil
		}
		c := m.controller(t)
		work(t, c, time.Minute)
		if err := m.check(c.naming); err != nil {
			t.Error(err)
		}
	})
}
