package consulagent

import (
	"strings"
	"testing"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/testbed/consulfake"
	"meshtask/internal/testbed/faulty"
)

// Register waits for a token as long as it was told, and no longer; a token that comes
// within that time is used.
func TestTokenWait(t *testing.T) {
	f := newServers(t)
	f.Fail("/v1/acl/token/self", unknownToken)
	c := newTestClient(t, f, func(cfg *ClientConfig) { cfg.TokenWait = 300 * time.Millisecond })
	began := time.Now()
	err := c.Register(t.Context())
	if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "not known to Consul") || took < 300*time.Millisecond {
		t.Errorf("after %s: %v", took, err)
	}
	if n := f.Count("PUT /v1/agent/service/register"); n != 0 {
		t.Errorf("registered %d times with a token that Consul does not know", n)
	}

	tries := 0
	c = newTestClient(t, f, func(cfg *ClientConfig) {
		cfg.TokenWait = time.Hour
		cfg.Report = func(event.Event) {
			if tries++; tries == 4 {
				f.Fail("/v1/acl/token/self", faulty.Fault{})
			}
		}
	})
	if err := c.Register(t.Context()); err != nil || f.Count("PUT /v1/agent/service/register") != 2 {
		t.Errorf("a token that comes late: %v", err)
	}

	// The agent may go on not knowing what the servers know: that is the same wait.
	f.Fail("/v1/agent/service/register", unknownToken)
	c = newTestClient(t, f, func(cfg *ClientConfig) { cfg.TokenWait = 100 * time.Millisecond })
	if err := c.Register(t.Context()); err == nil || !strings.Contains(err.Error(), "not known to Consul") {
		t.Errorf("an agent that does not know the token: %v", err)
	}
}

// An agent's token that the servers do not know is waited for as well, in the same time, and
// its cause is another one; a token that comes is read no more.
func TestAgentTokenWait(t *testing.T) {
	f := newServers(t)
	var waits []event.Waiting
	with := func(wait time.Duration, come int) *Client {
		return newTestClient(t, f, func(cfg *ClientConfig) {
			cfg.AgentToken = func() string { return "agent-token" }
			cfg.TokenWait = wait
			cfg.Report = func(e event.Event) {
				if w, ok := e.(event.Waiting); ok {
					if waits = append(waits, w); len(waits) == come {
						f.With(func(s *consulfake.State) { s.Tokens["agent-token"] = "of-agent-token" })
					}
				}
			}
		})
	}
	began := time.Now()
	err := with(300*time.Millisecond, 0).Register(t.Context())
	if c := event.CauseOf(err); c == nil || c.Code != event.AgentTokenUnknown || c.Code.Exit() != 203 || time.Since(began) < 300*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if n := f.Count("PUT /v1/agent/service/register"); n != 0 {
		t.Errorf("registered %d times at an agent whose token does not exist", n)
	}
	if len(waits) == 0 || waits[0].Code != event.AgentTokenUnknown || waits[0].What != "the agent's ACL token" {
		t.Errorf("waits: %+v", waits)
	}
	waits = nil
	if err := with(time.Hour, 3).Register(t.Context()); err != nil || f.Count("PUT /v1/agent/service/register") != 2 {
		t.Errorf("a token that comes late: %v", err)
	}
	f.With(func(s *consulfake.State) { delete(s.Tokens, "agent-token") })
	if err := with(time.Hour, 0).Renew(t.Context(), "other"); err != nil {
		t.Errorf("the service's token alone is renewed: %v", err)
	}
}
