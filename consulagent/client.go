package consulagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
	"meshtask/internal/registration"
)

// ClientConfig is what a Client needs; only Address is required by all of its methods.
type ClientConfig struct {
	Address string        // HOST:PORT of the agent's HTTP API
	Token   func() string // asked at each call, "" is none; nil is none
	Timeout time.Duration // of one call; 0 is 2 s
	Node    string        // the agent's node name; "" is asked of the agent once something is registered

	Registration registration.Registration
	// AgentToken is the agent's own token, which Register waits for as well: the agent would
	// only log that the servers do not know it. "" or nil is none.
	AgentToken func() string
	// TokenWait is the longest wait for a token that the servers do not know yet, with a last
	// look at its end; 0 is 2 minutes.
	TokenWait time.Duration
	// AccessorMeta is the key of service meta under which the service says which ACL token
	// it was registered with, by accessor ID; "" is not at all.
	AccessorMeta string
	// AgentAccessorMeta is the key of service meta under which the service says the same of
	// AgentToken, or NoAgentToken; "" is not at all. Without ACLs neither is said.
	AgentAccessorMeta string

	Report event.Report // what Register waits for; nil = none
}

// NoAgentToken is said in place of an accessor ID where the task has no token for an agent.
const NoAgentToken = "none"

// Client speaks to a task's agent. Its methods may be called side by side; each call ends
// with its ctx, or after Timeout.
type Client struct {
	cfg   ClientConfig
	calls *registration.Caller
	sent  atomic.Bool

	begun, ended atomic.Int64 // replacements of the check of the public listener
}

// NewClient sets the defaults. It does not connect.
func NewClient(cfg ClientConfig) *Client {
	if cfg.Token == nil {
		cfg.Token = func() string { return "" }
	}
	if cfg.AgentToken == nil {
		cfg.AgentToken = cfg.Token
	}
	if cfg.TokenWait == 0 {
		cfg.TokenWait = 2 * time.Minute
	}
	cfg.Report = cfg.Report.Or()
	return &Client{cfg: cfg, calls: registration.NewCaller(registration.CallerConfig{Address: cfg.Address, Token: cfg.Token, Timeout: cfg.Timeout,
		Registration: cfg.Registration, Report: cfg.Report,
		Fix: "the agent must be up and a server must lead; a new token takes a moment to reach all servers"})}
}

// Close drops idle connections.
func (c *Client) Close() { c.calls.Close() }

// Leader is the leader that the agent's servers know of, "" when there is none now. An
// agent that has not joined answers with an error.
func (c *Client) Leader(ctx context.Context) (string, error) { return c.calls.Leader(ctx) }

// Accessor is the accessor ID of a token, by the servers' word; "" where ACLs are off. A
// token that they do not know (yet) is an error.
func (c *Client) Accessor(ctx context.Context, token string) (string, error) {
	return c.calls.Accessor(ctx, token)
}

// Call makes a call, within Timeout at most.
func (c *Client) Call(ctx context.Context, token string, do func(a *api.Client, q *api.QueryOptions) error) error {
	return c.calls.Call(ctx, token, do)
}

// Lacking are those rights that a token does not have, by the servers' word.
func (c *Client) Lacking(ctx context.Context, token string, rights []registration.Right) ([]registration.Right, error) {
	return c.calls.Lacking(ctx, token, rights)
}

// Answers says whether the agent answers at all: the error is that of a call without an
// answer. It asks for what needs neither a server nor a token.
func (c *Client) Answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.calls.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.cfg.Address+"/", nil)
	if err != nil {
		return err
	}
	answer, err := c.calls.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body) // so that the connection is kept
	return errors.Join(err, answer.Body.Close())
}

// Sidecar is the sidecar, or the gateway, as the agent has it, its Proxy.Config merged with the central
// defaults.
func (c *Client) Sidecar(ctx context.Context) (*api.AgentService, error) {
	id := c.cfg.Registration.ProxyID()
	s, err := c.service(ctx, id)
	if err != nil {
		return nil, c.calls.Explain(err)
	}
	if s.Proxy == nil {
		return nil, fmt.Errorf("%s is registered as something else than a proxy", id)
	}
	return s, nil
}

// service is a service as the agent has it.
func (c *Client) service(ctx context.Context, id string) (s *api.AgentService, err error) {
	err = c.calls.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		s, _, err = a.Agent().Service(id, q)
		return err
	})
	return s, err
}

// Checks are the statuses of all checks that the agent knows, by check ID. That of the public
// listener is critical while RenewListenerCheck replaces it, and never missing for that.
func (c *Client) Checks(ctx context.Context) (map[string]string, error) {
	ended := c.ended.Load()
	checks, err := c.checks(ctx)
	if err != nil {
		return nil, err
	}
	statuses := make(map[string]string, len(checks))
	for id, check := range checks {
		statuses[id] = check.Status
	}
	if id := c.cfg.Registration.ListenerID(); c.begun.Load() != ended && statuses[id] == "" {
		statuses[id] = api.HealthCritical
	}
	return statuses, nil
}

func (c *Client) checks(ctx context.Context) (checks map[string]*api.AgentCheck, err error) {
	err = c.calls.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		checks, err = a.Agent().ChecksWithFilterOpts("", q)
		return err
	})
	return checks, err
}

// UpdateTTL sets a TTL check: passing, warning or critical. nil means that the agent has
// it, and the servers too if they could be reached.
func (c *Client) UpdateTTL(ctx context.Context, checkID, status, output string) error {
	return c.calls.Explain(c.calls.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) error {
		return a.Agent().UpdateTTLOpts(checkID, output, status, q)
	}))
}

// Maintenance turns the maintenance mode of a service on, with a reason, or off.
func (c *Client) Maintenance(ctx context.Context, serviceID string, on bool, reason string) error {
	return c.calls.Explain(c.calls.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) error {
		if on {
			return a.Agent().EnableServiceMaintenanceOpts(serviceID, reason, q)
		}
		return a.Agent().DisableServiceMaintenanceOpts(serviceID, q)
	}))
}

// AddListenerCheck adds the sidecar's check of its public listener, or the gateway's of the one at
// bound, passing.
func (c *Client) AddListenerCheck(ctx context.Context, bound string) error {
	if c.cfg.Registration.Gateway != nil { // it is there, critical
		return c.RenewListenerCheck(ctx, bound)
	}
	return c.addListenerCheck(ctx, bound)
}

func (c *Client) addListenerCheck(ctx context.Context, bound string) error {
	check := c.cfg.Registration.ListenerCheck(bound)
	if err := c.calls.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) error { return a.Agent().CheckRegisterOpts(check, q) }); err != nil {
		return fmt.Errorf("add the check of the public listener: %w", c.calls.Explain(err))
	}
	return nil
}

// RenewListenerCheck makes the check of the public listener pass where it is there and critical: at
// an agent that has been restarted, which has kept the check but not the status, and would stay
// so until its next probe, up to ten seconds on. To register what is there changes nothing.
func (c *Client) RenewListenerCheck(ctx context.Context, bound string) error {
	c.begun.Add(1)
	defer c.ended.Add(1)
	id := c.cfg.Registration.ListenerID()
	err := c.calls.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) error { return a.Agent().CheckDeregisterOpts(id, q) })
	if err != nil && !registration.Status(err, http.StatusNotFound) {
		return fmt.Errorf("renew the check of the public listener: %w", c.calls.Explain(err))
	}
	return c.addListenerCheck(ctx, bound)
}

// RemoveFromCatalog takes sidecar and service out of the servers' catalog. They stay
// registered at the agent, which goes on serving xDS to the sidecar. nil means that the
// servers have done it; the agent may write them back at its next full sync.
func (c *Client) RemoveFromCatalog(ctx context.Context) error {
	node, err := c.Node(ctx)
	if err != nil {
		return fmt.Errorf("remove the instance from the catalog: %w", err)
	}
	for _, id := range c.cfg.Registration.IDs() {
		if err := c.calls.DeregisterCatalog(ctx, api.CatalogDeregistration{Node: node, ServiceID: id}, c.cfg.Token()); err != nil {
			return fmt.Errorf("remove %s from the catalog: %w", id, c.calls.Explain(err))
		}
	}
	return nil
}

// Node is the agent's node name. /v1/agent/self, which would tell, is closed to a task's
// token; the checks that it has registered name the node as well.
func (c *Client) Node(ctx context.Context) (string, error) {
	if c.cfg.Node != "" {
		return c.cfg.Node, nil
	}
	checks, err := c.checks(ctx)
	if err != nil {
		return "", err
	}
	for _, check := range checks {
		if check.Node != "" {
			return check.Node, nil
		}
	}
	return "", errors.New("the agent's node name is not known: it has no check")
}

// listed says whether the servers' catalog has the node, by the leader's word. A token
// that may not read the node is an error: all would look gone to it.
func (c *Client) listed(ctx context.Context, node, token string) (bool, error) {
	var found *api.CatalogNode
	var meta *api.QueryMeta
	err := c.calls.Call(ctx, token, func(a *api.Client, q *api.QueryOptions) (err error) {
		q.RequireConsistent, q.Namespace = true, "" // nodes have none
		found, meta, err = a.Catalog().Node(node, q)
		return err
	})
	if err != nil {
		return false, err
	}
	if found != nil && found.Node != nil {
		return true, nil
	}
	if meta.ResultsFilteredByACLs {
		return false, errors.New("the token may not read the node (node:read)")
	}
	return false, nil
}
