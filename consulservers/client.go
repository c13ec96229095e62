package consulservers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
	"meshtask/internal/registration"
)

// Node is what a task is registered on.
type Node struct {
	Name    string
	Address string // of the task; only a node that there is not yet gets it
	Own     bool   // it is the task's alone, and goes with it
}

// Config is what a Client needs.
type Config struct {
	Finder       *Finder
	Node         Node
	Registration registration.Registration // with an Address
	Names        Names
	Synced       []Synced // the checks that UpdateTTL sets

	Token func() string // asked at each call, "" is none
	// TokenWait is the longest wait for a token that the servers do not know yet.
	TokenWait time.Duration
	// AccessorMeta is the key of service meta under which the service says which ACL token it
	// was registered with, by accessor ID; "" is not at all.
	AccessorMeta string
	Report       event.Report // what Register waits for
}

// registerLimit ends a registration that the servers keep failing, once the token is known.
const registerLimit = time.Minute

// Client keeps a task in the servers' catalog. Its methods may be called side by side; what is
// written goes to the servers one after another, and each write of checks has all of them, so
// that the latest word wins.
type Client struct {
	cfg  Config
	sent atomic.Bool

	turn           chan struct{} // held by the one that writes
	moved, removed bool          // of the turn's holder: the stop has moved the sidecar, and taken the service out

	mu      sync.Mutex
	now     picture // what is to be
	count   int     // of changes to now
	acked   int     // the changes that the servers have
	wrote   picture // what they have of it
	differs bool    // a look has shown something else
	beat    int     // of looks
}

// New makes a client. It asks nobody.
func New(c Config) *Client {
	c.Report = c.Report.Or()
	p := newPicture(c.Registration, c.Names, c.Synced)
	return &Client{cfg: c, turn: make(chan struct{}, 1), now: p, wrote: p.clone(), count: 1}
}

// Close drops idle connections.
func (c *Client) Close() { c.cfg.Finder.Close() }

// each tries do with one server after the other until one has answered: an answer that refuses
// is one.
func (c *Client) each(ctx context.Context, do func(*registration.Caller) error) error {
	first, err := c.cfg.Finder.First(ctx)
	if err != nil {
		return err
	}
	for s := first; ; {
		err := do(s.call)
		if err == nil || !unserved(err) || ctx.Err() != nil {
			return s.call.Explain(err)
		}
		c.cfg.Finder.lost(s)
		if s = c.cfg.Finder.now(); s == nil || s == first {
			return err
		}
	}
}

// unserved: another server may do what this one did not.
func unserved(err error) bool {
	e, answered := errors.AsType[api.StatusError](err)
	return !answered || e.Code >= 500 && !unknown(err)
}

// unknown: the servers do not have the service, as an answer says where ACLs are on.
func unknown(err error) bool {
	e, ok := errors.AsType[api.StatusError](err)
	return ok && strings.Contains(e.Body, "Unknown service ID")
}

// Leader is the leader that a server knows of.
func (c *Client) Leader(ctx context.Context) (leader string, err error) {
	err = c.each(ctx, func(s *registration.Caller) (err error) {
		leader, err = s.Leader(ctx)
		return err
	})
	return leader, err
}

// Accessor is the accessor ID of a token; "" where ACLs are off. A token that the servers do
// not know (yet) is an error.
func (c *Client) Accessor(ctx context.Context, token string) (accessor string, err error) {
	err = c.each(ctx, func(s *registration.Caller) (err error) {
		accessor, err = s.Accessor(ctx, token)
		return err
	})
	return accessor, err
}

// Call makes a call to a server.
func (c *Client) Call(ctx context.Context, token string, do func(a *api.Client, q *api.QueryOptions) error) error {
	return c.each(ctx, func(s *registration.Caller) error { return s.Call(ctx, token, do) })
}

// Lacking are those rights that a token does not have.
func (c *Client) Lacking(ctx context.Context, token string, rights []registration.Right) (lacking []registration.Right, err error) {
	err = c.each(ctx, func(s *registration.Caller) (err error) {
		lacking, err = s.Lacking(ctx, token, rights)
		return err
	})
	return lacking, err
}

// Register looks for a server, waits for the token to be known, and registers the service and
// then its sidecar, with what their checks are to say now. It may be repeated: what is there
// already changes nothing.
func (c *Client) Register(ctx context.Context) error { return c.Renew(ctx, c.cfg.Token()) }

// Renew registers with another token.
func (c *Client) Renew(ctx context.Context, token string) error {
	defer c.cfg.Report(event.WaitOver{})
	server, err := c.cfg.Finder.First(ctx)
	if err != nil {
		return err
	}
	known := time.Now().Add(c.cfg.TokenWait)
	accessor, err := server.call.AwaitToken(ctx, known, token)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	ends := registration.Deadlines{Token: known, Other: time.Now().Add(registerLimit)}
	return server.call.Retry(ctx, ends, "the servers to register "+c.cfg.Registration.ServiceID(), func() error {
		return c.nodeMissing(c.register(ctx, token, accessor))
	})
}

// register writes service and sidecar, or the gateway, once.
func (c *Client) register(ctx context.Context, token, accessor string) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	defer c.give()
	c.mu.Lock()
	p, version := c.now.clone(), c.count
	c.mu.Unlock()
	parts := c.cfg.Registration.Parts()
	if key := c.cfg.AccessorMeta; key != "" && accessor != "" {
		parts[0].Meta[key] = accessor
	}
	for _, w := range writes(c.cfg.Registration, parts, &p) {
		if err := c.put(ctx, token, w); err != nil {
			return err
		}
	}
	c.acknowledge(p, version)
	return nil
}

// nodeMissing explains the refusal of a registration on a node that there is not.
func (c *Client) nodeMissing(err error) error {
	if !registration.Denied(err) || !strings.Contains(err.Error(), "node:write") {
		return err
	}
	return event.Because(event.RegisterDenied, fmt.Errorf("node %s does not exist, and the token may not make it: %w", c.cfg.Node.Name, err),
		"node", c.cfg.Node.Name, "service", c.cfg.Registration.Name, event.FactCase, event.CaseNode, event.FactSaid, registration.Reply(err))
}

// put makes one write to the catalog.
func (c *Client) put(ctx context.Context, token string, w write) error {
	r := w.payload(c.cfg.Node, c.cfg.Registration)
	err := c.each(ctx, func(s *registration.Caller) error {
		return s.Write(ctx, token, func(a *api.Client, q *api.QueryOptions) error {
			_, err := a.Catalog().Register(r, (&api.WriteOptions{Token: token, Namespace: q.Namespace, Partition: q.Partition}).WithContext(q.Context()))
			return err
		})
	})
	if _, refused := errors.AsType[api.StatusError](err); err == nil || !refused {
		c.sent.Store(true)
	}
	return err
}

// take waits for the turn to write.
func (c *Client) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) give() { <-c.turn }

func (c *Client) acknowledge(p picture, version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrote, c.acked, c.differs = p, version, false
}

// Sent says whether the catalog may have something of ours.
func (c *Client) Sent() bool { return c.sent.Load() }

// UpdateTTL sets a check: passing, warning or critical. nil means that the servers have it.
// What they have already is not written again.
func (c *Client) UpdateTTL(ctx context.Context, checkID, word, output string) error {
	return c.change(ctx, func(p *picture) bool {
		was, said := p.said[checkID]
		p.said[checkID] = status{word, output}
		if !said { // as it was registered, with other words
			return word != api.HealthCritical
		}
		return was != status{word, output}
	})
}

// AddListenerCheck says that the public listener, or the gateway's, is bound; where is nobody's
// business here.
func (c *Client) AddListenerCheck(ctx context.Context, _ string) error {
	if err := c.change(ctx, func(p *picture) bool { was := p.bound; p.bound = true; return !was }); err != nil {
		return fmt.Errorf("set the check of the public listener: %w", err)
	}
	return nil
}

// change makes a change to what the checks are to say, and has the servers know. Those that
// come while another one writes are written together.
func (c *Client) change(ctx context.Context, do func(*picture) bool) error {
	c.mu.Lock()
	if do(&c.now) {
		c.count++
	}
	mine := c.count
	c.mu.Unlock()
	if err := c.take(ctx); err != nil {
		return err
	}
	defer c.give()
	c.mu.Lock()
	p, version, done := c.now.clone(), c.count, c.acked >= mine && !c.differs
	c.mu.Unlock()
	if done || c.moved {
		return nil
	}
	if err := c.put(ctx, c.cfg.Token(), write{checks: append(p.service(), p.sidecar()...)}); err != nil {
		return err
	}
	c.acknowledge(p, version)
	return nil
}

// movedPort is where a sidecar is said to be that takes no more work. Consul's config source
// watches for exactly this proxy, and would stop serving one that is gone: its upstreams would
// freeze. Another port is told to others as fast as a removal.
const movedPort = 1

// RemoveFromCatalog takes the instance out of the mesh: the sidecar is moved to a port where
// nothing is, all checks critical, and the service goes. The sidecar's own configuration stays
// as it was. A gateway goes at once: what its Envoy knows by then is enough for its stop, and peers
// dial its tagged address, wherever it is moved to. nil means that the servers have done it.
func (c *Client) RemoveFromCatalog(ctx context.Context) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	defer c.give()
	c.moved = true
	if c.cfg.Registration.Gateway == nil {
		if err := c.move(ctx); err != nil {
			return err
		}
	}
	err := c.deregister(ctx, c.cfg.Token(), c.cfg.Registration.ServiceID())
	c.removed = err == nil
	return err
}

// move says that the sidecar is at another port, all checks critical.
func (c *Client) move(ctx context.Context) error {
	c.mu.Lock()
	for _, s := range c.now.synced {
		if c.now.of(s.ID).word == api.HealthPassing {
			c.now.said[s.ID] = status{api.HealthCritical, "the task is stopping"}
			c.count++
		}
	}
	p, version := c.now.clone(), c.count
	c.mu.Unlock()
	r := c.cfg.Registration
	if err := c.put(ctx, c.cfg.Token(), write{proxy(r, r.Sidecar(), movedPort), append(p.service(), p.sidecar()...)}); err != nil {
		return fmt.Errorf("move %s: %w", r.ProxyID(), err)
	}
	c.acknowledge(p, version)
	return nil
}

func (c *Client) deregister(ctx context.Context, token, id string) error {
	what := api.CatalogDeregistration{Node: c.cfg.Node.Name, ServiceID: id}
	err := c.each(ctx, func(s *registration.Caller) error { return s.DeregisterCatalog(ctx, what, token) })
	if err != nil && !unknown(err) {
		return fmt.Errorf("deregister %s: %w", strings.TrimSpace(id+" on "+c.cfg.Node.Name), err)
	}
	return nil
}

// Deregister takes sidecar and service out of the catalog, and the node where it is the task's
// own, and looks whether they are gone. The error says why the result is Unverified.
func (c *Client) Deregister(ctx context.Context) (registration.Result, error) {
	if err := c.take(ctx); err != nil {
		return registration.Unverified, err
	}
	defer c.give()
	c.moved = true
	token := c.cfg.Token()
	ids := []string{c.cfg.Registration.ProxyID()}
	switch {
	case c.cfg.Node.Own:
		ids = []string{""} // the node, with what is on it
	case !c.removed:
		ids = c.cfg.Registration.IDs()
	case c.cfg.Registration.Gateway != nil: // it has gone already, whole
		ids = nil
	}
	for _, id := range ids {
		if err := c.deregister(ctx, token, id); err != nil {
			return registration.Unverified, err
		}
	}
	result := registration.Unverified
	err := c.each(ctx, func(s *registration.Caller) (err error) {
		result, err = s.Gone(ctx, c.cfg.Node.Name)
		return err
	})
	return result, err
}
