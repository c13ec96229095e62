package consulagent

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
	"meshtask/internal/testbed/consulfake"
	"meshtask/internal/testbed/faulty"
)

// The last look is at the end of a wait, however short, and not the last pause before it.
func TestRetryLooksAtTheEnd(t *testing.T) {
	unknown := refusal{api.StatusError{Code: http.StatusForbidden, Body: "ACL not found"}}
	for name, c := range map[string]struct {
		wait, good, took time.Duration
		err              error
		fails            string
	}{
		"good at once":             {wait: time.Second},
		"good in the last moment":  {wait: time.Second, good: 990 * time.Millisecond, took: time.Second, err: unknown},
		"good at the end":          {wait: 90 * time.Second, good: 90 * time.Second, took: 90 * time.Second, err: unknown},
		"never known":              {wait: time.Second, good: time.Hour, took: time.Second, err: unknown, fails: "not known to Consul (yet)"},
		"never reached, long wait": {wait: 3 * time.Minute, good: time.Hour, took: 3 * time.Minute, err: errors.New("refused"), fails: "refused, after 3m0s"},
		"denied":                   {wait: time.Hour, good: time.Hour, err: refusal{api.StatusError{Code: http.StatusForbidden, Body: "Permission denied"}}, fails: "service:write"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				client := NewClient(ClientConfig{})
				err := client.retry(t.Context(), deadlines{began.Add(c.wait), began.Add(c.wait)}, "the ACL token", func() error {
					if time.Since(began) < c.good {
						return c.err
					}
					return nil
				})
				if took := time.Since(began); took != c.took || (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%v after %s, want %q after %s", err, took, c.fails, c.took)
				}
			})
		})
	}
}

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
