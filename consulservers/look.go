package consulservers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/registration"
)

// Checks are the statuses of all checks, by ID: what was written, and what a look at the servers
// shows instead; none where the service or the sidecar is not there any more. It looks at the
// sidecar's and the service's in turns, at whichever server is near, and asks the leader where that
// shows something else.
func (c *Client) Checks(ctx context.Context) (map[string]string, error) {
	if err := c.take(ctx); err != nil { // nothing is written meanwhile
		return nil, err
	}
	defer c.give()
	c.mu.Lock()
	p := c.wrote.clone()
	id, name, want := c.cfg.Registration.ProxyID(), c.cfg.Registration.ProxyName(), p.sidecar()
	if c.beat++; c.beat%2 == 0 && c.cfg.Registration.Gateway == nil {
		id, name, want = c.cfg.Registration.ServiceID(), c.cfg.Registration.Name, p.service()
	}
	c.mu.Unlock()
	all := p.statuses()
	if c.moved {
		return all, nil
	}
	var have map[string]string
	for _, stale := range []bool{true, false} {
		var err error
		if have, err = c.look(ctx, id, name, stale); err != nil {
			return nil, err
		}
		if same(want, have) {
			return all, nil
		}
	}
	c.mu.Lock()
	c.differs = true // written again, whatever the next change is
	c.mu.Unlock()
	for _, check := range want {
		word, there := have[check.CheckID]
		if !there { // service or sidecar is gone: whoever asks is to register both
			return map[string]string{}, nil
		}
		all[check.CheckID] = word
	}
	return all, nil
}

// look reads the checks of one service.
func (c *Client) look(ctx context.Context, id, name string, stale bool) (map[string]string, error) {
	have := map[string]string{}
	err := c.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) error {
		q.AllowStale, q.Filter = stale, fmt.Sprintf("ServiceID == %q and Node == %q", id, c.cfg.Node.Name)
		checks, _, err := a.Health().Checks(name, q)
		for _, check := range checks {
			have[check.CheckID] = check.Status
		}
		return err
	})
	return have, err
}

func same(want api.HealthChecks, have map[string]string) bool {
	for _, c := range want {
		if have[c.CheckID] != c.Status {
			return false
		}
	}
	return true
}

// Maintenance is for native checks, which there are none of without an agent.
func (c *Client) Maintenance(context.Context, string, bool, string) error {
	return errors.New("there is no maintenance mode without a client agent")
}

// Sidecar is the sidecar, or the gateway, as the servers have it, its Proxy.Config merged with the
// central defaults.
func (c *Client) Sidecar(ctx context.Context) (*api.AgentService, error) {
	id := c.cfg.Registration.ProxyID()
	var entries []*api.ServiceEntry
	err := c.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		q.Filter = fmt.Sprintf("Service.ID == %q", id)
		entries, _, err = a.Health().Service(c.cfg.Registration.ProxyName(), "", false, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(entries, func(e *api.ServiceEntry) bool { return e.Service.ID == id && e.Service.Proxy != nil })
	if i < 0 {
		return nil, fmt.Errorf("the servers do not list %s", id)
	}
	s := entries[i].Service
	s.Datacenter = entries[i].Node.Datacenter
	defaults, err := c.proxyDefaults(ctx)
	if err != nil {
		return nil, err
	}
	merged := map[string]any{}
	maps.Copy(merged, defaults)
	maps.Copy(merged, s.Proxy.Config)
	s.Proxy.Config = merged
	return s, nil
}

// proxyDefaults are the central defaults, which every token may read. A server that is asked to
// merge them itself does so for every instance of the service before it filters.
func (c *Client) proxyDefaults(ctx context.Context) (config map[string]any, err error) {
	err = c.Call(ctx, c.cfg.Token(), func(a *api.Client, q *api.QueryOptions) error {
		q.Namespace = "" // they are of a partition
		entry, _, err := a.ConfigEntries().Get(api.ProxyDefaults, api.ProxyConfigGlobal, q)
		if defaults, ok := entry.(*api.ProxyConfigEntry); err == nil && ok {
			config = defaults.Config
		}
		return err
	})
	if registration.Status(err, http.StatusNotFound) {
		return nil, nil
	}
	return config, err
}
