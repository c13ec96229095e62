package consulagent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
	"meshtask/internal/registration"
)

const (
	// registerLimit ends a registration that the agent keeps failing, once the token is known.
	registerLimit = time.Minute
	// deregisterTries: a registration that was cut may still arrive after the first one.
	deregisterTries, deregisterPause = 5, 20 * time.Millisecond
	// maintenanceReason holds back a service whose checks nobody can set.
	maintenanceReason = "meshtask: app and Envoy are not ready yet"
)

// Register registers the service, then its sidecar, or the gateway: critical, or in maintenance mode when
// the checks are native. It waits for TokenWait for tokens that are not known yet, the
// agent's own among them, then for a minute for an agent or servers that fail, and for either
// no longer than ctx; a refusal is returned at once. It may be repeated: the agent keeps the
// statuses of checks that it has. The service says by AccessorMeta which token it was registered
// with, and by AgentAccessorMeta which one its agent has.
func (c *Client) Register(ctx context.Context) error {
	defer c.cfg.Report(event.WaitOver{})
	known := time.Now().Add(c.cfg.TokenWait)
	if err := c.awaitAgentToken(ctx, known); err != nil {
		return err
	}
	return c.register(ctx, known, c.cfg.Token(), c.cfg.Registration.Native())
}

// Renew registers what is registered once more, with another token, and changes no status:
// agent and servers go on by that token. It waits and fails as Register does.
func (c *Client) Renew(ctx context.Context, token string) error {
	defer c.cfg.Report(event.WaitOver{})
	return c.register(ctx, time.Now().Add(c.cfg.TokenWait), token, false)
}

// register waits until known for a token that is not known yet.
func (c *Client) register(ctx context.Context, known time.Time, token string, hold bool) error {
	accessor, err := c.calls.AwaitToken(ctx, known, token)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	ends := registration.Deadlines{Token: known, Other: time.Now().Add(registerLimit)}
	r := c.cfg.Registration
	parts := r.Parts()
	if accessor != "" {
		if err := c.sayTokens(ctx, ends, parts[0], accessor); err != nil {
			return fmt.Errorf("register: %w", err)
		}
	}
	for _, s := range parts {
		if err := c.calls.Retry(ctx, ends, "the agent to register "+s.ID, func() error {
			err := c.calls.Write(ctx, token, func(a *api.Client, q *api.QueryOptions) error {
				return a.Agent().ServiceRegisterOpts(s, api.ServiceRegisterOpts{Token: token}.WithContext(q.Context()))
			})
			if !unregistered(err) {
				c.sent.Store(true)
			}
			return err
		}); err != nil {
			return fmt.Errorf("register %s: %w", s.ID, err)
		}
		if !hold {
			continue
		}
		if err := c.calls.Retry(ctx, ends, "maintenance mode of "+s.ID, func() error {
			return c.Maintenance(ctx, s.ID, true, maintenanceReason)
		}); err != nil {
			return fmt.Errorf("maintenance mode of %s: %w", s.ID, err)
		}
	}
	return nil
}

// sayTokens has the service say which tokens it and its agent use.
func (c *Client) sayTokens(ctx context.Context, ends registration.Deadlines, service *api.AgentServiceRegistration, accessor string) error {
	if key := c.cfg.AccessorMeta; key != "" {
		service.Meta[key] = accessor
	}
	key := c.cfg.AgentAccessorMeta
	if key == "" {
		return nil
	}
	service.Meta[key] = NoAgentToken
	token := c.cfg.AgentToken()
	if token == "" {
		return nil
	}
	return c.calls.Retry(ctx, ends, "the accessor ID of the agent's ACL token", func() error {
		of, err := c.Accessor(ctx, token)
		if registration.ACLNotFound(err) { // by now: not said, it counts as the old one
			delete(service.Meta, key)
			return nil
		}
		service.Meta[key] = of
		return err
	})
}

// Sent says whether the agent may have something of ours: a registration has reached it and
// was not refused, or it is not known what became of one.
func (c *Client) Sent() bool { return c.sent.Load() }

// unregistered: the agent has refused the call, or could not even be dialled.
func unregistered(err error) bool {
	if e, ok := errors.AsType[api.StatusError](err); ok {
		return e.Code < http.StatusInternalServerError
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

// awaitAgentToken reads the agent's own token until the servers know it. The agent joins and
// serves without it, but keeps its node and the leave only by it.
func (c *Client) awaitAgentToken(ctx context.Context, end time.Time) error {
	token := c.cfg.AgentToken()
	if token == "" || token == c.cfg.Token() {
		return nil
	}
	return c.calls.Retry(ctx, registration.Deadlines{Token: end, Other: end}, "the agent's ACL token", func() error {
		_, err := c.Accessor(ctx, token)
		if registration.ACLNotFound(err) {
			err = event.Because(event.AgentTokenUnknown, fmt.Errorf("the agent's token does not exist in Consul (yet): %w", err), event.FactSaid, registration.Reply(err))
		}
		return err
	})
}

// Deregister takes sidecar and service from the agent, and looks whether they are gone from
// there and from the catalog. The error says why the result is Unverified.
func (c *Client) Deregister(ctx context.Context) (registration.Result, error) {
	node, nodeErr := c.Node(ctx) // while there are still checks to name it
	have := c.cfg.Registration.IDs()
	for try := 1; ; try++ {
		var err error
		again := false
		if have, err = c.withdraw(ctx, have); len(have) > 0 {
			again, err = true, fmt.Errorf("the agent still has %s", strings.Join(have, " and "))
		}
		switch {
		case err == nil && nodeErr != nil:
			return registration.Unverified, fmt.Errorf("cannot look into the catalog: %w", nodeErr)
		case err == nil:
			return c.calls.Gone(ctx, node)
		case !again || try == deregisterTries:
			return registration.Unverified, err
		}
		timer := time.NewTimer(deregisterPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return registration.Unverified, err
		}
	}
}

// withdraw takes services from the agent, and says which of them it has after all. It looks
// at the list: an agent that is asked for a service that it has not logs an error.
func (c *Client) withdraw(ctx context.Context, ids []string) (have []string, err error) {
	for _, id := range ids {
		err := c.calls.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) error { return a.Agent().ServiceDeregisterOpts(id, q) })
		if err != nil && !registration.Status(err, http.StatusNotFound) {
			return nil, fmt.Errorf("deregister %s: %w", id, c.calls.Explain(err))
		}
	}
	terms := make([]string, len(ids))
	for i, id := range ids {
		terms[i] = fmt.Sprintf("ID == %q", id)
	}
	var services map[string]*api.AgentService
	err = c.calls.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		services, err = a.Agent().ServicesWithFilterOpts(strings.Join(terms, " or "), q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot tell whether the agent still has %s: %w", strings.Join(ids, " and "), c.calls.Explain(err))
	}
	return slices.DeleteFunc(ids, func(id string) bool { return services[id] == nil }), nil
}
