package main

import (
	"context"
	"time"

	"meshtask/consulagent"
	"meshtask/envoy"
	"meshtask/health"
	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/plan"
	"meshtask/lifecycle"
)

// syncer makes the unit health-sync.
func (t *task) syncer() (*health.Syncer, error) {
	m := t.mesh
	c := health.Config{
		Agent: m.client, Service: m.reg.ServiceID(), Proxy: m.reg.ProxyID(), Alias: m.reg.AliasID(),
		Checks: plan.Checks(t.cfg, m.reg), TTL: t.cfg.Health.TTL.Duration,
		Never:    t.cfg.Mode == config.Job && t.cfg.Service.Port == 0,
		Reassert: t.reassert, Renew: t.takeOver,
		Note: t.note(lifecycle.HealthSync), Grace: t.grace(lifecycle.HealthSync), Waiting: t.waits.of(string(lifecycle.HealthSync)), Log: t.log.Named("health-sync"),
	}
	if t.cfg.Shutdown.AgentLeave != "first" {
		c.Catalog, c.Removed = m.client, func(ok bool) { m.outOfCatalog.Store(ok) }
	}
	if names := t.cfg.HealthSyncContainers; len(names) > 0 {
		c.Siblings = health.NewPoller(health.PollerConfig{Task: metadata{m.meta}, Names: names, Interval: t.cfg.Health.Interval.Duration, Log: t.log.Named("health-sync")})
	}
	if h := t.cfg.Health.App; h != nil {
		probe, err := health.NewProbe(health.ProbeConfig{Container: t.cfg.Health.Container, Command: h.Command, Interval: seconds(h.Interval),
			Timeout: seconds(h.Timeout), Retries: h.Retries, StartPeriod: seconds(h.StartPeriod), Env: t.appEnv(), Path: t.w.getenv("PATH"),
			Dir: t.cfg.App.Dir, User: t.user, Start: t.sup, Log: t.log.Named("probe")})
		if err != nil {
			return nil, err
		}
		c.Probe = probe
	}
	return health.New(c), nil
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// reassert registers again what an agent has lost.
func (t *task) reassert(ctx context.Context) error {
	if err := t.mesh.client.Register(ctx); err != nil || !t.mesh.listener.Load() {
		return err
	}
	return t.mesh.client.AddListenerCheck(ctx)
}

// inbound makes the unit that lives while the public listener takes new work.
func (t *task) inbound() lifecycle.Runner {
	return envoy.NewInbound(envoy.InboundConfig{
		Admin: t.envoyAdmin(), Disabled: !t.cfg.Shutdown.Drain.Enabled,
		AddCheck: func(ctx context.Context) error {
			t.mesh.listener.Store(true)
			return t.mesh.client.AddListenerCheck(ctx)
		},
		Propagation: t.propagation,
		Min:         func() time.Duration { return t.cfg.Shutdown.Drain.Min.Duration },
		Max:         t.drainMax,
		Note:        t.note(lifecycle.Inbound), Waiting: t.waits.of(string(lifecycle.Inbound)), Log: t.log.Named("inbound"),
	})
}

// propagation is the wait until nobody sends to us any more. A given 0 stays 0.
func (t *task) propagation() time.Duration {
	wait := consulagent.Propagation(t.budget.Propagation, t.mesh.outOfCatalog.Load(), t.mesh.joinedFor())
	return min(wait, t.grace(lifecycle.Inbound)())
}

// drainMax is the longest drain, asked when it begins: what was given, else
// what the budget leaves.
func (t *task) drainMax() time.Duration {
	left := t.grace(lifecycle.Inbound)()
	if t.cfg.Shutdown.Drain.Max.Given {
		return min(left, t.budget.DrainMax)
	}
	return min(left, lifecycle.MaxDrain)
}

// metadata shows the task's containers to health in its own words.
type metadata struct{ client *ecs.Client }

func (m metadata) Containers(ctx context.Context) ([]health.Container, error) {
	list, err := m.client.Containers(ctx)
	if err != nil {
		return nil, err
	}
	var out []health.Container
	for _, c := range list {
		h := health.Container{Name: c.Name, Desired: c.DesiredStatus, Known: c.KnownStatus, Checked: c.Health != nil}
		if c.Health != nil {
			h.Health = c.Health.Status
		}
		out = append(out, h)
	}
	return out, nil
}
