package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/health"
)

// healthBed is a real server and a real client agent with one service and its sidecar
// registered, as mesh-init does it: what the syncer has to keep right.
type healthBed struct {
	t       *testing.T
	server  *harness.Server
	agent   *harness.Process
	address string
	dir     string
	client  *api.Client

	service, proxy, check, alias string
	native                       api.AgentServiceChecks // instead of the TTL check
	ttl                          time.Duration
}

func newHealthBed(t *testing.T, ttl time.Duration) *healthBed {
	t.Helper()
	// Coordinates are written to raft every few seconds; they would hide ours.
	quiet := map[string]any{"disable_coordinates": true}
	b := &healthBed{t: t, ttl: ttl, server: harness.StartServer(t, harness.ServerConfig{Extra: quiet}),
		address: harness.Address(t), dir: t.TempDir(), service: "web-h1", proxy: "web-h1-sidecar-proxy",
		check: "web-h1-app-consul-ecs", alias: "service:web-h1-sidecar-proxy:2"}
	b.client = harness.Client(t, b.address+":8500", "")
	b.startAgent()
	return b
}

// startAgent starts the client agent and waits until it knows the leader.
func (b *healthBed) startAgent() {
	b.t.Helper()
	doc, err := json.Marshal(map[string]any{
		"node_name": "ecs-h1", "datacenter": "dc1", "data_dir": filepath.Join(b.dir, "data"),
		"bind_addr": b.address, "client_addr": b.address, "retry_join": []string{b.server.Address}, "retry_interval": "1s",
		"ports": map[string]any{"dns": -1, "grpc": 8502}, "disable_update_check": true, "disable_coordinates": true,
		"leave_on_terminate": true, "log_level": "info", "gossip_lan": map[string]any{"gossip_interval": "50ms"},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(b.dir, "agent.json")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.agent = harness.Start(b.t, "consul-agent", []string{harness.Consul(b.t), "agent", "-config-file", file}, []string{"PATH=" + os.Getenv("PATH")})
	harness.Eventually(b.t, time.Minute, "an agent that knows the leader", func() error {
		leader, err := b.client.Status().Leader()
		if err == nil && leader == "" {
			err = fmt.Errorf("no leader yet")
		}
		return err
	})
}

// register is what mesh-init does, and what repairs an agent that has forgotten.
func (b *healthBed) register(ctx context.Context) error {
	checks := b.native
	if len(checks) == 0 {
		checks = api.AgentServiceChecks{{CheckID: b.check, Name: "consul ecs synced", TTL: b.ttl.String()}}
	}
	for _, r := range []*api.AgentServiceRegistration{
		{ID: b.service, Name: "web", Port: 8080, Checks: checks},
		{ID: b.proxy, Name: "web-sidecar-proxy", Kind: api.ServiceKindConnectProxy, Port: 20000,
			Proxy:  &api.AgentServiceConnectProxyConfig{DestinationServiceName: "web", DestinationServiceID: b.service, LocalServicePort: 8080},
			Checks: api.AgentServiceChecks{{CheckID: b.alias, Name: "Destination Alias", AliasService: b.service}}},
	} {
		if err := b.client.Agent().ServiceRegisterOpts(r, api.ServiceRegisterOpts{}.WithContext(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func (b *healthBed) options(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{}).WithContext(ctx)
}

// The methods of health.Agent and health.Catalog, as consulagent has them.

func (b *healthBed) UpdateTTL(ctx context.Context, id, status, output string) error {
	return b.client.Agent().UpdateTTLOpts(id, output, status, b.options(ctx))
}

func (b *healthBed) Checks(ctx context.Context) (map[string]string, error) {
	checks, err := b.client.Agent().ChecksWithFilterOpts("", b.options(ctx))
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for id, c := range checks {
		all[id] = c.Status
	}
	return all, nil
}

func (b *healthBed) Maintenance(ctx context.Context, service string, on bool, reason string) error {
	if on {
		return b.client.Agent().EnableServiceMaintenanceOpts(service, reason, b.options(ctx))
	}
	return b.client.Agent().DisableServiceMaintenanceOpts(service, b.options(ctx))
}

func (b *healthBed) RemoveFromCatalog(ctx context.Context) error {
	for _, id := range []string{b.proxy, b.service} {
		o := (&api.WriteOptions{}).WithContext(ctx)
		if _, err := b.client.Catalog().Deregister(&api.CatalogDeregistration{Node: "ecs-h1", ServiceID: id}, o); err != nil {
			return err
		}
	}
	return nil
}

// config is the syncer's configuration for this bed; tests alter it.
func (b *healthBed) config() health.Config {
	cfg := health.Config{Agent: b, Service: b.service, Proxy: b.proxy, Alias: b.alias, TTL: b.ttl, Reassert: b.register}
	if len(b.native) == 0 {
		cfg.Checks = []health.Check{{ID: b.check, Container: "app"}}
	}
	return cfg
}

// run starts a syncer; the returned func stops it and returns what Run returned.
func (b *healthBed) run(s *health.Syncer) (stop func() error) {
	b.t.Helper()
	asked, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(b.t.Context(), func() { close(ready) }, asked) }()
	select {
	case <-ready:
	case err := <-done:
		b.t.Fatalf("the syncer ended before it was ready: %v", err)
	case <-time.After(30 * time.Second): // a bound for a failure
		b.t.Fatal("the syncer is not ready")
	}
	return func() error { close(asked); return <-done }
}

// at are the statuses at the server of the node's checks, and the newest index among them.
func (b *healthBed) at() (status map[string]string, index uint64, err error) {
	checks, _, err := b.server.API.Health().Node("ecs-h1", &api.QueryOptions{RequireConsistent: true})
	status = map[string]string{}
	for _, c := range checks {
		status[c.CheckID] = c.Status
		index = max(index, c.ModifyIndex)
	}
	return status, index, err
}

// await waits until the server has the check at the status and returns how long it took,
// to within a millisecond: looks follow each other without a pause.
func (b *healthBed) await(id, status string) time.Duration {
	b.t.Helper()
	began := time.Now()
	for {
		got, _, err := b.at()
		if err == nil && got[id] == status {
			return time.Since(began)
		}
		if time.Since(began) > soon {
			b.t.Fatalf("check %s is %q at the server (%v), want %q", id, got[id], err, status)
		}
	}
}

func quantiles(all []time.Duration) string {
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("%.1f/%.1f/%.1f ms", ms(all[0]), ms(all[len(all)/2]), ms(all[len(all)-1]))
}

// forget gives the agent an empty data directory, but for its node ID: a node of
// that name and another ID is refused for as long as the old one seems to live,
// and meshtask keeps the ID as well.
func (b *healthBed) forget() {
	b.t.Helper()
	id, err := os.ReadFile(filepath.Join(b.dir, "data", "node-id"))
	if err == nil {
		b.dir = b.t.TempDir()
		err = os.Mkdir(filepath.Join(b.dir, "data"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, "data", "node-id"), id, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
