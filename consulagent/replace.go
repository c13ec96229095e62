package consulagent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/hashicorp/consul/api"
)

// newRecovery makes a token that one agent alone knows: no server does. With it the agent
// takes another token of its own from us, for which the client agents' policy lacks
// agent:write.
func newRecovery() string { return rand.Text() }

// recovery is the token that the agent takes for its own recovery token: that of the extra
// configuration, where there is one.
func (c AgentConfig) recovery() string {
	acl, _ := c.Extra["acl"].(map[string]any)
	tokens, _ := acl["tokens"].(map[string]any)
	if given, ok := tokens["agent_recovery"].(string); ok {
		return given
	}
	return c.RecoveryToken
}

// Replace has the running agent use another token of its own, from now on and without a
// restart; the leave goes by it too. A later life gets its token by Config.Agent, which
// has to give the new one by now. It may be repeated. An agent that does not run, or was not
// started with Config.Replaces, is an error.
func (a *Agent) Replace(ctx context.Context, token string) error {
	l := a.life.Load()
	if l == nil {
		return errors.New("the agent does not run")
	}
	recovery := l.cfg.recovery()
	if recovery == "" {
		return errors.New("the agent has no recovery token")
	}
	err := l.client.calls.Call(ctx, recovery, func(a *api.Client, q *api.QueryOptions) error {
		// The library's own call tries an older path after any refusal, and returns the words of that.
		_, err := a.Raw().Write("/v1/agent/token/agent", api.AgentToken{Token: token}, nil, (&api.WriteOptions{Token: q.Token}).WithContext(q.Context()))
		return err
	})
	if err != nil {
		return fmt.Errorf("give the agent its token: %w", l.client.calls.Explain(err))
	}
	l.token.Store(&token)
	return nil
}
