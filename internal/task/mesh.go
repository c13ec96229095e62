package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"meshtask/consulagent"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
	"meshtask/health"
	"meshtask/internal/cgroup"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/metrics"
	"meshtask/internal/plan"
	"meshtask/internal/registration"
	"meshtask/internal/retry"
	"meshtask/internal/state"
	"meshtask/internal/statedir"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// units are the runners of every row, and what the admin interface asks beside the record.
type units struct {
	runners map[lifecycle.Unit]lifecycle.Runner
	sync    *health.Syncer          // nil without a mesh
	envoy   *envoy.Statistics       // nil without a mesh
	agent   *consulagent.Metrics    // nil where the agent keeps none, or is not ours
	paths   map[string]http.Handler // of the admin interface, besides its own
}

// wire makes the units of the plan.
func (t *task) wire(p programs) (*units, error) {
	user, err := appUser(t.plan)
	if err != nil {
		return nil, err
	}
	probe := t.probe(p.probe, user)
	var app *supervisor.Process
	if t.plan.App != nil {
		app = t.appUnit(p.app, user, probe)
		t.app.to(app)
	}
	switch t.plan.Kind {
	case plan.Mesh, plan.Job:
		return t.meshUnits(p, app, user, probe)
	case plan.Sibling:
		return t.siblingUnits(app), nil
	}
	return &units{runners: map[lifecycle.Unit]lifecycle.Runner{
		lifecycle.App: t.restarted(lifecycle.App, t.reportUp(lifecycle.App, app, nothing, nothing), t.plan.App.Restart, nil),
	}}, nil
}

// mesh is what the units of a mesh share.
type mesh struct {
	*task
	programs
	consul consul // an agent, or the servers
	sync   *health.Syncer
	env    []string // of agent and Envoy

	agent   *agent   // nil with consulServers
	servers *servers // nil with a client agent
}

// consul is what the units need of Consul, be it an agent's client or the servers'.
type consul interface {
	health.Agent
	health.Catalog
	registration.Asker
	Register(ctx context.Context) error
	Renew(ctx context.Context, token string) error
	AddListenerCheck(ctx context.Context, bound string) error
	Sidecar(ctx context.Context) (*api.AgentService, error)
	Deregister(ctx context.Context) (registration.Result, error)
	Sent() bool
	Close()
}

// meshUnits makes the units of a task with a mesh. Facts that one unit needs of another
// travel by the calls that are joined here; all others go to the record.
func (t *task) meshUnits(p programs, app *supervisor.Process, user *supervisor.User, probe supervisor.Probe) (*units, error) {
	m := &mesh{task: t, programs: p, env: plan.Environment{Remove: t.plan.Remove}.Of(t.d.Env, nil)}
	if err := m.meet(); err != nil {
		return nil, err
	}
	dir, err := m.bootstrapDir()
	if err != nil {
		return nil, err
	}
	if m.sync, err = m.syncer(user); err != nil {
		return nil, event.Because(event.ConfigBad, err)
	}
	m.watches()
	u := &units{sync: m.sync, envoy: envoy.NewStatistics(t.plan.Envoy.AdminAddress(t.d.Dir.Path), dir.Path(plan.BootstrapFile), metrics.Keep(metrics.EnvoyMetrics())), runners: map[lifecycle.Unit]lifecycle.Runner{
		lifecycle.Token:      m.tokenUnit(),
		lifecycle.MeshInit:   m.meshInit(dir),
		lifecycle.Envoy:      m.envoy(dir),
		lifecycle.HealthSync: m.sync,
		lifecycle.Inbound:    m.inbound(),
	}}
	if m.agent != nil {
		u.runners[lifecycle.ConsulAgent] = m.agentUnit()
		u.agent = m.agentMetrics()
	}
	switch {
	case t.plan.IsGateway():
	case app != nil:
		u.runners[lifecycle.App] = t.restarted(lifecycle.App, t.reportUp(lifecycle.App, app, m.sync.AppUp, m.sync.AppDown), t.plan.App.Restart, nil)
	default:
		u.runners[lifecycle.App], u.paths = m.siblings(probe)
	}
	return u, nil
}

// watched has a child that hangs count as down, until it answers again or the stop begins.
func (m *mesh) watched(u lifecycle.Unit, r supervisor.Runner, ask func(context.Context) error, up, down func()) supervisor.Runner {
	report := m.report(u)
	return supervisor.Watch(r, supervisor.Liveness{Since: m.d.Begin, Ask: ask, While: func() bool { return !m.stopping() }, Changed: func(err error) {
		if err != nil {
			report(event.Hung{Err: err.Error()})
			down()
			return
		}
		report(event.Answers{})
		up()
	}})
}

// crashed holds for the end of a process. Any other error, such as a taken port, a refused
// version or a readiness that never came, is final.
func crashed(err error) bool {
	_, ok := errors.AsType[*supervisor.Exit](err)
	return ok
}

// envoy makes the unit envoy.
func (m *mesh) envoy(dir *statedir.Dir) lifecycle.Runner {
	e, report := m.plan.Envoy, m.report(lifecycle.Envoy)
	c := e.Config(m.programs.envoy, m.d.Dir.Path)
	c.Bootstrap, c.Env, c.Token, c.Start = dir.Path(plan.BootstrapFile), m.env, m.tokens.Service, m.sup
	if c.Concurrency == 0 {
		c.Concurrency = envoy.Concurrency(cgroup.Quota(cgroup.Root{}), runtime.NumCPU())
	}
	c.Output, c.Report = m.childOutput("envoy", hclog.Trace), report
	if m.servers != nil {
		c.XDSEnded = m.servers.widen
	}
	c.Grace, c.Log, c.Server = m.grace(lifecycle.Envoy), m.d.Log.Named("envoy"), m.consulServer
	if m.plan.IsGateway() {
		c.Lacks = m.gatewayLacks
	}
	admin := envoy.NewAdmin(c.Admin)
	ask := func(ctx context.Context) error { _, err := admin.Ready(ctx); return err }
	process := &envoy.WithoutFilter{Proxy: envoy.NewProxy(c), Plain: func(ctx context.Context) error { return m.bootstrap(dir, "").Write(ctx) }, Log: c.Log}
	watched := m.watched(lifecycle.Envoy, process, ask, m.sync.EnvoyUp, m.sync.EnvoyDown)
	proxy := m.reportUp(lifecycle.Envoy, watched, m.envoyUp, m.sync.EnvoyDown)
	return m.restarted(lifecycle.Envoy, proxy, e.Restart, crashed)
}

// envoyUp is called for each life of Envoy.
func (m *mesh) envoyUp() {
	m.sync.EnvoyUp()
	if m.servers != nil {
		m.servers.widen()
	}
}

// meshInit makes the unit that registers, and writes Envoy's bootstrap.
func (m *mesh) meshInit(dir *statedir.Dir) lifecycle.Runner {
	u := &meshInit{consul: m.consul, service: m.plan.Service.Name, grace: m.grace(lifecycle.MeshInit), report: m.report(lifecycle.MeshInit), log: m.d.Log,
		bootstrap: func() envoy.Bootstrap { return m.bootstrap(dir, m.tokenFile()) }}
	if m.servers != nil {
		u.begin, u.keep = m.servers.begin, m.servers.keep
	}
	return u
}

// bootstrap makes Envoy's document; tokenFile "" is one without the filter that reads it.
func (m *mesh) bootstrap(dir *statedir.Dir, tokenFile string) envoy.Bootstrap {
	e := m.plan.Envoy
	b := envoy.Bootstrap{
		Settings: bootstrap.Settings{ProxyID: m.plan.Service.ProxyID(), Token: m.tokens.Service, Admin: e.AdminAddress(m.d.Dir.Path),
			TokenFile: tokenFile, Env: func(name string) string { return variable(m.d.Env, name) }, StatsTags: e.StatsTags},
		File: dir.Path(plan.BootstrapFile), Put: dir.Write, PutToken: m.putToken, Registered: m.registered, UseCommand: e.ConsulMakes,
		Command:   envoy.Command{Path: m.programs.consul, Env: m.env, Start: m.sup, Report: m.report(lifecycle.MeshInit)},
		Upstreams: len(m.plan.Service.Proxy.Upstreams), Log: m.d.Log,
	}
	if m.servers != nil {
		m.servers.into(&b)
		return b
	}
	b.XDS, b.Command.HTTP = m.plan.Agent.GRPC, m.plan.Agent.HTTP
	return b
}

// registered is the sidecar as a bootstrap is made of it.
func (m *mesh) registered(ctx context.Context) (bootstrap.Registered, error) {
	s, err := m.consul.Sidecar(ctx)
	for pauses := (retry.Backoff{First: firstAgain, Max: lastAgain}); err != nil && passing(ctx, err, pauses.Next()); {
		s, err = m.consul.Sidecar(ctx)
	}
	if err != nil {
		return bootstrap.Registered{}, err
	}
	return bootstrap.Registered{Service: cmp.Or(s.Proxy.DestinationServiceName, s.Service), Namespace: s.Namespace, Partition: s.Partition,
		Datacenter: s.Datacenter, Config: s.Proxy.Config}, nil
}

// The pauses between two reads of the registration, which stands.
const firstAgain, lastAgain = 50 * time.Millisecond, time.Second

// passing waits before another try of what failed with err, and says whether there is one: an
// answer that refuses is final, one that is late or fails is not while ctx lasts.
func passing(ctx context.Context, err error, pause time.Duration) bool {
	if e, answered := errors.AsType[api.StatusError](err); answered && e.Code < http.StatusInternalServerError {
		return false
	}
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// bootstrapDir is where the bootstrap goes. A directory of a consul-ecs document that cannot
// be made, or that somebody else could change, falls back to ours: those documents name a
// volume that containers shared.
func (m *mesh) bootstrapDir() (*statedir.Dir, error) {
	dir := m.plan.Files.BootstrapDir
	if dir == "" {
		return m.d.Dir, nil
	}
	shared, err := statedir.Shared(dir)
	switch {
	case err == nil:
		m.shared = shared
		return shared, nil
	case !m.plan.Files.BootstrapFallback:
		return nil, event.Because(event.StateDirectory, fmt.Errorf("bootstrapDir: %w", err))
	}
	m.d.Log.Warn("bootstrapDir cannot be used, the state directory is", "bootstrapDir", dir, "error", err)
	return m.d.Dir, nil
}

// inbound makes the unit that runs while the public listener takes new work.
func (m *mesh) inbound() lifecycle.Runner {
	in, report := m.plan.Inbound, m.report(lifecycle.Inbound)
	return envoy.NewInbound(envoy.InboundConfig{
		Role: m.plan.Envoy.Role, Admin: m.plan.Envoy.AdminAddress(m.d.Dir.Path), Disabled: !in.Drain,
		AddCheck:    func(ctx context.Context) error { return m.consul.AddListenerCheck(ctx, m.bound()) },
		Propagation: m.propagation, Min: func() time.Duration { return in.Min }, Max: m.drainMax,
		Report: report, Log: m.d.Log.Named("inbound"),
	})
}

// propagation is the wait until nobody sends to us any more. A given 0 stays 0.
func (m *mesh) propagation() (wait time.Duration) {
	m.book.Read(func(s *state.State) {
		wait = consulagent.Propagation(m.plan.Inbound.Propagation, s.Removed, time.Since(s.Joined))
	})
	return min(wait, m.grace(lifecycle.Inbound)())
}

// drainMax is the longest drain, asked when it begins: what was given, else what the budget
// leaves.
func (m *mesh) drainMax() time.Duration {
	left := m.grace(lifecycle.Inbound)()
	if given := m.plan.Inbound.Max; given != nil {
		return min(left, *given)
	}
	return min(left, lifecycle.MaxDrain)
}

// syncer makes the unit health-sync.
func (m *mesh) syncer(user *supervisor.User) (*health.Syncer, error) {
	h, s, report := m.plan.Health, m.plan.Service, m.report(lifecycle.HealthSync)
	c := health.Config{
		Agent: m.consul, Service: s.ServiceID(), Checks: h.Checks, TTL: h.TTL, Never: h.Never, Alone: h.Alone, Proof: h.Proof,
		Reassert: m.reassert, Renew: m.takeOver,
		Report: report, Grace: m.grace(lifecycle.HealthSync), Log: m.d.Log.Named("health-sync"),
	}
	c.Servers = m.servers != nil
	if m.agent != nil && !m.plan.IsGateway() { // the agent computes the sidecar's check, and holds it by maintenance mode
		c.Proxy, c.Alias = s.ProxyID(), s.AliasID()
	}
	if h.Catalog {
		c.Catalog = m.consul
	}
	if len(h.Siblings) > 0 {
		c.Siblings = health.NewPoller(health.PollerConfig{Task: metadata{m.meta}, Names: h.Siblings, Interval: h.Interval, Log: m.d.Log.Named("health-sync")})
	}
	if p := h.Probe; p != nil {
		pc := health.ProbeConfig{Container: p.Container, Command: p.Command, Interval: p.Interval, Timeout: p.Timeout,
			Retries: p.Retries, StartPeriod: p.StartPeriod, Env: m.appEnv, Path: variable(m.d.Env, "PATH"), Dir: m.plan.App.Dir, User: user,
			Start: m.sup, Log: m.d.Log.Named("probe")}
		if len(p.Command) == 0 {
			pc.Ask, pc.Asks = question(p.Question), p.Question.String()
		}
		probe, err := health.NewProbe(pc)
		if err != nil {
			return nil, err
		}
		c.Probe = probe
	}
	return health.New(c), nil
}

// reassert registers again what an agent has lost.
func (m *mesh) reassert(ctx context.Context) error {
	var listener bool
	m.book.Read(func(s *state.State) { listener = listenerChecked(s) })
	if err := m.consul.Register(ctx); err != nil || !listener {
		return err
	}
	return m.consul.AddListenerCheck(ctx, m.bound())
}

// metadata shows the task's containers to health in its own words.
type metadata struct{ client *ecs.Client } // nil without a metadata endpoint

func (m metadata) Containers(ctx context.Context) ([]health.Container, error) {
	if m.client == nil {
		return nil, errors.New("no task metadata endpoint says how the containers of healthSyncContainers are: ECS_CONTAINER_METADATA_URI_V4 is not set")
	}
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
