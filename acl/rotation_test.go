package acl

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
)

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
		running(t, c)
		after(23 * time.Hour)
		old := m.creds(t, "pre-web")
		after(2 * time.Hour)
		now := m.creds(t, "pre-web")
		if old == now || len(m.own(c.naming, web)) != 2 {
			t.Fatalf("not rotated, or the old token is gone: %d tokens", len(m.own(c.naming, web)))
		}
		report := func(arn, accessor string) {
			m.locked(func() {
				m.reports[web] = append(m.reports[web], reconcile.Report{TaskID: arn[strings.LastIndexByte(arn, '/')+1:], AccessorID: accessor})
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
	})
}

// TestCurrentTokenIsMissedAtOnce deletes the token that the secret names, while
// an older one of the service is still there: it is not taken for the current.
func TestCurrentTokenIsMissedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret("pre-web", "{}")
		m.run("web")
		work(t, m.controller(t), time.Second)
		m.setSecret("pre-web", string(newCreds().JSON())) // as a rotation by somebody else
		work(t, m.controller(t), time.Second)
		have := m.creds(t, "pre-web")
		c := m.controller(t)
		if n := len(m.own(c.naming, web)); n != 2 {
			t.Fatalf("%d tokens, want the old and the new", n)
		}
		running(t, c)
		after(time.Second)
		m.locked(func() { delete(m.tokens, have.AccessorID) })
		after(10 * time.Second)
		if _, there := m.tokens[have.AccessorID]; !there {
			t.Error("the current token is missing")
		}
	})
}

const agentsSecret = "pre-consul-client-token"

// The agents' token is replaced too, and the old one goes when every task has said that its
// agent has another.
func TestRotationOfTheAgentsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret(agentsSecret, "{}")
		m.setSecret("pre-web", "{}")
		one, two := m.run("web"), m.run("web")
		var out bytes.Buffer
		c := m.controller(t, func(c *Config) {
			c.ClientSecret, c.RotateAfter = agentsSecret, 24*time.Hour
			c.Log = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})
		})
		running(t, c)
		after(23 * time.Hour)
		old := m.creds(t, agentsSecret)
		after(2 * time.Hour)
		now := m.creds(t, agentsSecret)
		m.locked(func() {
			if now == old || m.tokens[now.AccessorID].SecretID != now.SecretID || m.tokens[old.AccessorID].SecretID != old.SecretID {
				t.Fatalf("not replaced, or the old token is gone")
			}
		})
		says := func(arn, accessor string) {
			m.locked(func() {
				m.reports[web] = append(m.reports[web], reconcile.Report{TaskID: reconcile.TaskID(arn), AgentAccessorID: accessor})
			})
		}
		says(one, now.AccessorID)
		for _, c := range []struct {
			accessor, finding string
		}{{"", "task " + reconcile.TaskID(two) + " does not report which token its agent uses"}, {old.AccessorID, "task " + reconcile.TaskID(two) + " reports that its agent uses it"}} {
			says(two, c.accessor)
			after(72 * time.Hour)
			m.locked(func() {
				if _, there := m.tokens[old.AccessorID]; !there || len(m.tokens) != 2+2 {
					t.Errorf("%d tokens while a task says %q, want two of the agents and two of the service", len(m.tokens), c.accessor)
				}
				m.reports[web] = m.reports[web][:1]
				if !strings.Contains(out.String(), c.finding) {
					t.Errorf("the log does not say %q:\n%s", c.finding, out.String())
				}
			})
		}
		says(two, "none") // someone else runs its agent
		after(11 * time.Minute)
		m.locked(func() {
			if _, there := m.tokens[old.AccessorID]; there {
				t.Error("the old token was kept though no task uses it")
			}
		})
		after(10 * time.Minute)
		if m.creds(t, agentsSecret) == now {
			t.Error("the new token, three days old by now, was not replaced in its turn")
		}
	})
}

// A pair of IDs that somebody writes into the agents' secret becomes a token, and the old one
// stays: nothing says that it is ours to delete.
func TestAgentsTokenReplacedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.setSecret(agentsSecret, "{}")
		life := func(c *Config) { c.ClientSecret, c.RotateAfter = agentsSecret, 24*time.Hour }
		work(t, m.controller(t, life), time.Second)
		agents, byHand := m.creds(t, agentsSecret), newCreds()
		m.setSecret(agentsSecret, string(byHand.JSON()))
		work(t, m.controller(t, life), time.Hour)
		if m.tokens[byHand.AccessorID].SecretID != byHand.SecretID || m.tokens[agents.AccessorID].SecretID != agents.SecretID {
			t.Error("the pair written by hand is no token, or the old one is gone")
		}
	})
}

// Whatever call is the last of a controller, the next one ends the replacement of the agents'
// token: the secret names a token that exists, and the old one is marked.
func TestRotationOfTheAgentsTokenIsCut(t *testing.T) {
	for _, cut := range []string{"DescribeToken", "PutSecret", "PutToken"} {
		for _, lost := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				m := newModel()
				m.setSecret(agentsSecret, "{}")
				life := func(c *Config) { c.ClientSecret, c.RotateAfter = agentsSecret, 24*time.Hour }
				work(t, m.controller(t, life), time.Second)
				old := m.creds(t, agentsSecret)
				after(25 * time.Hour)
				ctx, cancel := context.WithCancel(t.Context())
				m.gate = func(call string, _ int) error {
					if call != cut {
						return nil
					}
					cancel()
					if lost {
						return errLostAnswer
					}
					return errUnsure
				}
				_ = m.controller(t, life).Run(ctx)
				m.gate = nil
				m.run("web") // which says nothing, so that nothing is deleted
				m.setSecret("pre-web", "{}")
				work(t, m.controller(t, life), time.Hour)
				now := m.creds(t, agentsSecret)
				if now == old || m.tokens[now.AccessorID].SecretID != now.SecretID || m.tokens[now.AccessorID].Description != "ECS Consul client Token" {
					t.Errorf("cut at %s (lost %v): the secret names token %+v", cut, lost, m.tokens[now.AccessorID].Description)
				}
				if have := m.tokens[old.AccessorID]; have.Description != "ECS Consul client Token\nconsul.hashicorp.com/cluster: "+modelCluster+"\nreplaced" {
					t.Errorf("cut at %s (lost %v): the old token is %q", cut, lost, have.Description)
				}
			})
		}
	}
}
