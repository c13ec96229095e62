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
	"meshtask/internal/retry"
)

// Result is what is known of an end: of a leave, or of a deregistration.
type Result string

const (
	Verified   Result = "verified"   // seen to be gone
	Unverified Result = "unverified" // asked for, and not seen
	Skipped    Result = "skipped"    // there was nothing to do
)

const (
	firstRetry, lastRetry = 20 * time.Millisecond, time.Second
	// registerLimit ends a registration that the agent keeps failing, once the token is known.
	registerLimit = time.Minute
	// inFlight is how long a registration that is cut is waited for; the agent takes 10 ms.
	inFlight = 300 * time.Millisecond
	// deregisterTries: a registration that was cut may still arrive after the first one.
	deregisterTries, deregisterPause = 5, 20 * time.Millisecond
	// maintenanceReason holds back a service whose checks nobody can set.
	maintenanceReason = "meshtask: app and Envoy are not ready yet"
)

// Register registers the service, then its sidecar: critical, or in maintenance mode when
// the checks are native. It waits for TokenWait for tokens that are not known yet, the
// agent's own among them, then for a minute for an agent or servers that fail, and for either
// no longer than ctx; a refusal is returned at once. It may be repeated: the agent keeps the
// statuses of checks that it has. The service says by AccessorMeta which token it was registered with.
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
	accessor, err := c.awaitToken(ctx, known, token)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	ends := deadlines{token: known, other: time.Now().Add(registerLimit)}
	r := c.cfg.Registration
	service := r.Service()
	if key := c.cfg.AccessorMeta; key != "" && accessor != "" {
		service.Meta[key] = accessor
	}
	for _, s := range []*api.AgentServiceRegistration{service, r.Sidecar()} {
		if err := c.retry(ctx, ends, "the agent to register "+s.ID, func() error {
			ctx, cancel := outlive(ctx)
			defer cancel()
			err := c.call(ctx, token, func(q *api.QueryOptions) error {
				return c.api.Agent().ServiceRegisterOpts(s, api.ServiceRegisterOpts{Token: token}.WithContext(q.Context()))
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
		if err := c.retry(ctx, ends, "maintenance mode of "+s.ID, func() error {
			return c.Maintenance(ctx, s.ID, true, maintenanceReason)
		}); err != nil {
			return fmt.Errorf("maintenance mode of %s: %w", s.ID, err)
		}
	}
	return nil
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

// outlive keeps a call going for a moment after ctx is done: the agent would carry it out
// all the same, and might do so after a deregistration that comes next.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(inFlight)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

// awaitToken reads the token itself until the servers know it, and returns its accessor ID.
// An agent that is made to look for it too early remembers for 30 s that there is none; this
// call makes it not look.
func (c *Client) awaitToken(ctx context.Context, end time.Time, token string) (accessor string, err error) {
	if token == "" {
		return "", nil
	}
	err = c.retry(ctx, deadlines{end, end}, "the ACL token", func() error {
		accessor, err = c.Accessor(ctx, token)
		return err
	})
	return accessor, err
}

// awaitAgentToken reads the agent's own token until the servers know it. The agent joins and
// serves without it, but keeps its node and the leave only by it.
func (c *Client) awaitAgentToken(ctx context.Context, end time.Time) error {
	token := c.cfg.AgentToken()
	if token == "" || token == c.cfg.Token() {
		return nil
	}
	return c.retry(ctx, deadlines{end, end}, "the agent's ACL token", func() error {
		_, err := c.Accessor(ctx, token)
		if aclNotFound(err) {
			err = event.Because(event.AgentTokenUnknown, fmt.Errorf("the agent's token does not exist in Consul (yet): %w", err), event.FactSaid, reply(err))
		}
		return err
	})
}

// Accessor is the accessor ID of a token, by the servers' word; "" where ACLs are off. A
// token that they do not know (yet) is an error.
func (c *Client) Accessor(ctx context.Context, token string) (string, error) {
	var self *api.ACLToken
	err := c.call(ctx, token, func(q *api.QueryOptions) (err error) {
		q.AllowStale = true
		self, _, err = c.api.ACL().TokenReadSelf(q)
		return err
	})
	switch {
	case status(err, http.StatusUnauthorized): // "ACL support disabled"
		return "", nil
	case err != nil:
		return "", err
	}
	return self.AccessorID, nil
}

// deadlines end the tries of something that fails because a token is not known, or for any
// other reason.
type deadlines struct{ token, other time.Time }

func (d deadlines) after(err error) time.Time {
	if aclNotFound(err) {
		return d.token
	}
	return d.other
}

// retry repeats try until it succeeds, is refused, ctx is done, or it has failed at its
// deadline or later: the last try is at the deadline.
func (c *Client) retry(ctx context.Context, ends deadlines, what string, try func() error) error {
	began, pauses := time.Now(), retry.Backoff{First: firstRetry, Max: lastRetry}
	var last error // that an answer gave: it says more than a call that was cut
	for {
		err := try()
		if err == nil {
			return nil
		}
		explained := c.explain(err)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) && last != nil {
			return last
		}
		if ctx.Err() != nil || refused(err) {
			return explained
		}
		left := time.Until(ends.after(err))
		if left <= 0 {
			return fmt.Errorf("%w, after %s", explained, time.Since(began).Round(time.Millisecond))
		}
		last = explained
		c.cfg.Report(event.WaitingFor(event.Register, what, explained,
			"the agent must be up and a server must lead; a new token takes a moment to reach all servers"))
		timer := time.NewTimer(min(pauses.Next(), left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return explained
		}
	}
}

// refused: to ask again would not help.
func refused(err error) bool {
	e, ok := errors.AsType[api.StatusError](err)
	return ok && (denied(err) || e.Code == http.StatusBadRequest)
}

// Deregister takes sidecar and service from the agent, and looks whether they are gone from
// there and from the catalog. The error says why the result is Unverified.
func (c *Client) Deregister(ctx context.Context) (Result, error) {
	node, nodeErr := c.node(ctx) // while there are still checks to name it
	have := []string{c.cfg.Registration.ProxyID(), c.cfg.Registration.ServiceID()}
	for try := 1; ; try++ {
		var err error
		again := false
		if have, err = c.withdraw(ctx, have); len(have) > 0 {
			again, err = true, fmt.Errorf("the agent still has %s", strings.Join(have, " and "))
		}
		switch {
		case err == nil && nodeErr != nil:
			return Unverified, fmt.Errorf("cannot look into the catalog: %w", nodeErr)
		case err == nil:
			return c.gone(ctx, node)
		case !again || try == deregisterTries:
			return Unverified, err
		}
		timer := time.NewTimer(deregisterPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Unverified, err
		}
	}
}

// withdraw takes services from the agent, and says which of them it has after all. It looks
// at the list: an agent that is asked for a service that it has not logs an error.
func (c *Client) withdraw(ctx context.Context, ids []string) (have []string, err error) {
	for _, id := range ids {
		err := c.call(ctx, c.cfg.Token(), func(q *api.QueryOptions) error { return c.api.Agent().ServiceDeregisterOpts(id, q) })
		if err != nil && !status(err, http.StatusNotFound) {
			return nil, fmt.Errorf("deregister %s: %w", id, c.explain(err))
		}
	}
	terms := make([]string, len(ids))
	for i, id := range ids {
		terms[i] = fmt.Sprintf("ID == %q", id)
	}
	var services map[string]*api.AgentService
	err = c.call(ctx, c.cfg.Token(), func(q *api.QueryOptions) (err error) {
		services, err = c.api.Agent().ServicesWithFilterOpts(strings.Join(terms, " or "), q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot tell whether the agent still has %s: %w", strings.Join(ids, " and "), c.explain(err))
	}
	return slices.DeleteFunc(ids, func(id string) bool { return services[id] == nil }), nil
}

// gone looks for service and sidecar in the servers' catalog.
func (c *Client) gone(ctx context.Context, node string) (Result, error) {
	var list *api.CatalogNodeServiceList
	var meta *api.QueryMeta
	err := c.call(ctx, c.cfg.Token(), func(q *api.QueryOptions) (err error) {
		q.RequireConsistent = true
		list, meta, err = c.api.Catalog().NodeServiceList(node, q)
		return err
	})
	if err != nil {
		return Unverified, fmt.Errorf("cannot look into the catalog: %w", c.explain(err))
	}
	for _, s := range list.Services {
		if id := s.ID; id == c.cfg.Registration.ServiceID() || id == c.cfg.Registration.ProxyID() {
			return Unverified, fmt.Errorf("the catalog still has %s", id)
		}
	}
	if list.Node == nil && meta.ResultsFilteredByACLs {
		return Unverified, errors.New("cannot look into the catalog: the token may not read the node (node:read)")
	}
	return Verified, nil
}
