package acl

import (
	"bytes"
	"context"
	"strings"
	"sync"
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
		cancel()
		wg.Wait()
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
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Run(ctx) })
		after(time.Second)
		m.locked(func() { delete(m.tokens, have.AccessorID) })
		after(10 * time.Second)
		if _, there := m.tokens[have.AccessorID]; !there {
			t.Error("the current token is missing")
		}
		cancel()
		wg.Wait()
	})
}

// TestRotationLeavesTheAgentsToken: nobody reports for the agents, so that an
// old token of theirs could never be taken away.
func TestRotationLeavesTheAgentsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name = "pre-consul-client-token"
		m := newModel()
		m.setSecret(name, "{}")
		m.setSecret("pre-web", "{}")
		m.run("web")
		life := func(c *Config) { c.ClientSecret, c.RotateAfter = name, 24*time.Hour }
		work(t, m.controller(t, life), time.Second)
		agents, service := m.creds(t, name), m.creds(t, "pre-web")
		work(t, m.controller(t, life), 48*time.Hour)
		if m.creds(t, name) != agents {
			t.Error("the agents' token was replaced")
		}
		if m.creds(t, "pre-web") == service {
			t.Error("the service's was not, so that nothing is shown")
		}
		byHand := newCreds() // as the document tells people to replace it
		m.setSecret(name, string(byHand.JSON()))
		work(t, m.controller(t, life), time.Second)
		if m.tokens[byHand.AccessorID].SecretID != byHand.SecretID || m.tokens[agents.AccessorID].SecretID != agents.SecretID {
			t.Error("the pair written by hand is no token, or the old one is gone")
		}
	})
}
