package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// A task with ACLs on that starts before its secrets are filled: it waits, says
// what for, and comes up with the tokens that the controller makes.
func TestTaskWaitsForItsTokens(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	b.cloud.Secrets.Set(clientSecret, "{}")
	b.mesh("prod", "web")
	m := prepare(t, b.consul, "web-1", "web", func(c map[string]any) {
		c["acl"] = map[string]any{"serviceToken": tokenOf(aclPrefix + "-web"), "agentToken": tokenOf(clientSecret)}
	})
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "web-1", Config: m.config, Env: b.cloud.Environment(),
		CMD: []string{harness.App(t), "--name", "web-1", "--listen", m.address + ":8080"}})
	harness.Eventually(t, soon, "the task says what it waits for", func() error {
		for line := range strings.Lines(m.Output()) {
			if strings.Contains(line, "waiting") && strings.Contains(line, aclPrefix+"-") {
				return nil
			}
		}
		return fmt.Errorf("not yet:\n%s", m.Tail(5))
	})

	controller := b.start(t, "controller", "prod", "--consul-client-secret-arn", clientSecret)
	b.agreed(t, time.Minute, aclPrefix+"-web")
	b.agreed(t, time.Minute, clientSecret)
	filled := time.Now()
	m.up(t)
	t.Logf("up %v after the secrets were filled", time.Since(filled).Round(time.Millisecond))
	b.consul.Passing(t, soon, "web", 1)

	token := b.agreed(t, time.Minute, aclPrefix+"-web")
	client := b.agreed(t, time.Minute, clientSecret)
	for _, secret := range []string{token.SecretID, client.SecretID} {
		if strings.Contains(m.Output(), secret) {
			t.Error("the task's output shows a token")
		}
	}
	m.term(t)
	m.ended(t, 0)
	b.consul.Empty(t, soon)
	stopped(t, controller)
}
