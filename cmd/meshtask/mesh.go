package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl"
	"meshtask/consulagent"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
	"meshtask/health"
	"meshtask/internal/cgroup"
	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/journal"
	"meshtask/internal/lease"
	"meshtask/internal/plan"
	"meshtask/internal/statedir"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// mesh is what a task has besides its app.
type mesh struct {
	consul, envoy string      // paths
	meta          *ecs.Client // nil without a metadata endpoint
	reg           consulagent.Registration
	client        *consulagent.Client
	sync          *health.Syncer

	agentUp, envoyUp       atomic.Bool
	agentHangs, envoyHangs atomic.Bool // then it is not up either
	agentLives             atomic.Int32
	keeper                 *lease.Keeper // nil when we run the app
	listener               atomic.Bool   // the listener's check has been added
	joinedAt               atomic.Int64
	outOfCatalog           atomic.Bool // at the servers, since the stop began
}

// findParts looks consul and envoy up, before anything starts.
func (t *task) findParts() error {
	if !t.cfg.Mode.Mesh() {
		return nil
	}
	t.mesh = &mesh{}
	path := t.w.getenv("PATH")
	var err error
	if t.cfg.ConsulAgent.External == "" || t.cfg.Envoy.Bootstrap == "consul" {
		if t.mesh.consul, err = supervisor.Look(t.cfg.ConsulAgent.Command, path); err != nil {
			return &giveUp{exitConsul, fmt.Errorf("consulAgent.command: %w", err)}
		}
	}
	if t.mesh.envoy, err = supervisor.Look(t.cfg.Envoy.Command, path); err != nil {
		return &giveUp{exitEnvoy, fmt.Errorf("envoy.command: %w", err)}
	}
	return nil
}

// identify asks the task metadata endpoint who we are, and fills in what
// depends on it.
func (t *task) identify() error {
	id := ecs.Local()
	if given := t.cfg.Task.ID; given != "" { // an ARN that names the task as it is named
		id.ARN, id.ID = strings.TrimSuffix(id.ARN, id.ID)+given, given
	}
	uri := t.w.getenv("ECS_CONTAINER_METADATA_URI_V4")
	if t.cfg.Mode == config.Sibling && uri != "" {
		id.Container = lease.OwnName(t.ctx, uri)
	}
	if t.cfg.Mode.Mesh() && uri != "" {
		c, err := ecs.New(uri)
		if err != nil {
			return &giveUp{exitMetadata, err}
		}
		t.mesh.meta = c
		err = t.during(func(ctx context.Context) (err error) {
			id, err = c.Identity(ctx, t.waits.of("task"))
			return err
		})
		if _, asked := errors.AsType[*stopSignal](err); asked {
			return err
		}
		if err != nil {
			return &giveUp{exitMetadata, err}
		}
	}
	synced := slices.Contains(t.cfg.HealthSyncContainers, id.Container)
	if err := t.cfg.Resolve(id); err != nil {
		return &giveUp{exitConfig, err}
	}
	if synced {
		t.log.Warn("configuration", "path", "healthSyncContainers", "container", id.Container,
			"warning", "is meshtask's own container: its check follows the app and health.app, not its ECS health, which would wait for itself")
	}
	return nil
}

// wireMesh makes the runners of the mesh's rows. Facts travel by the callbacks
// that are joined here.
func (t *task) wireMesh() error {
	m := t.mesh
	m.reg = plan.Registration(t.cfg)
	for _, key := range m.reg.Overridden() {
		t.log.Warn("configuration", "path", "service.meta."+key, "warning", "meshtask sets it itself; the value is not used")
	}
	node := t.cfg.ConsulAgent.NodeName
	if t.cfg.ConsulAgent.External != "" {
		node = ""
	}
	m.client = consulagent.NewClient(consulagent.ClientConfig{Address: plan.AgentHTTP(t.cfg), Node: node, Token: t.tokens.Service,
		TokenWait: t.cfg.ACL.Wait.Duration, Registration: m.reg, AccessorMeta: acl.MetaAccessor, Waiting: t.waits.of(string(lifecycle.MeshInit))})
	if err := t.dir.Sub(dataName); err != nil {
		return &giveUp{exitInternal, fmt.Errorf("the agent's data directory: %w", err)}
	}
	boot, err := t.bootstrapDir()
	if err != nil {
		return err
	}
	if m.sync, err = t.syncer(); err != nil {
		return &giveUp{exitConfig, err}
	}
	env := plan.ConsulFree(plan.Scrub(t.w.env, t.cfg.SecretVariables()))
	t.runners = map[lifecycle.Unit]lifecycle.Runner{
		lifecycle.Token: t.tokenUnit(),
		lifecycle.MeshInit: &meshInit{client: m.client, grace: t.grace(lifecycle.MeshInit), note: t.note(lifecycle.MeshInit), log: t.log,
			removed:   m.outOfCatalog.Store,
			bootstrap: func() envoy.Bootstrap { return t.bootstrap(boot, env) }},
		lifecycle.ConsulAgent: t.agentRunner(env),
		lifecycle.Envoy:       t.envoyRunner(boot.Path(bootstrapName), env),
		lifecycle.HealthSync:  m.sync,
		lifecycle.Inbound:     t.inbound(),
		lifecycle.App:         t.meshApp(),
	}
	return nil
}

func (t *task) envoyAdmin() string {
	if a := t.cfg.Envoy.Admin; a != "" {
		return a
	}
	return t.dir.Path("envoy-admin.sock")
}

func (t *task) bootstrap(dir *statedir.Dir, env []string) envoy.Bootstrap {
	m := t.mesh
	return envoy.Bootstrap{
		Settings: bootstrap.Settings{ProxyID: m.reg.ProxyID(), XDS: plan.AgentGRPC(t.cfg), Token: t.tokens.Service, Admin: t.envoyAdmin(),
			TokenFile: t.tokenFile(), Env: t.w.getenv, NoStatsTags: !t.cfg.Envoy.StatsTags},
		File: dir.Path(bootstrapName), Put: dir.Write, PutToken: t.putToken,
		Registered: t.registered, UseCommand: t.cfg.Envoy.Bootstrap == "consul",
		Command: envoy.Command{Path: m.consul, HTTP: plan.AgentHTTP(t.cfg), Env: env, Start: t.sup, Waiting: t.waits.of(string(lifecycle.MeshInit))},
		Log:     t.log,
	}
}

func (t *task) envoyRunner(file string, env []string) lifecycle.Runner {
	c := t.cfg.Envoy
	workers := c.Concurrency
	if workers == 0 {
		workers = envoy.Concurrency(cgroup.Quota(cgroup.Root{}), runtime.NumCPU())
	}
	proxy := envoy.NewProxy(envoy.Config{
		Path: t.mesh.envoy, Bootstrap: file, Admin: t.envoyAdmin(), Listen: plan.Listen(t.cfg), Concurrency: workers, LogLevel: c.LogLevel,
		Drain: plan.EnvoyDrain(t.budget), ExtraArgs: c.ExtraArgs, Env: env, ReadyTimeout: c.ReadyTimeout.Duration, StrictVersion: c.StrictVersion,
		Start: t.sup, Output: t.childOutput("envoy", hclog.Trace), Note: t.note(lifecycle.Envoy), Waiting: t.waits.of(string(lifecycle.Envoy)),
		Grace: t.grace(lifecycle.Envoy), Log: t.log.Named("envoy"), Token: t.tokens.Service,
	})
	up := func() { t.mesh.envoyHangs.Store(false); t.mesh.envoyUp.Store(true); t.mesh.sync.EnvoyUp() }
	down := func() { t.mesh.envoyHangs.Store(false); t.mesh.envoyUp.Store(false); t.mesh.sync.EnvoyDown() }
	admin := envoy.NewAdmin(t.envoyAdmin())
	ask := func(ctx context.Context) error { _, err := admin.Ready(ctx); return err }
	watched := supervisor.Watch(proxy, t.liveness(lifecycle.Envoy, ask, &t.mesh.envoyHangs, up, down))
	return t.restarted(lifecycle.Envoy, supervisor.Report(watched, up, down), c.Restart)
}

// liveness has a child that hangs count as down, until it answers again or the stop begins.
func (t *task) liveness(u lifecycle.Unit, ask func(context.Context) error, hangs *atomic.Bool, up, down func()) supervisor.Liveness {
	note := t.note(u)
	return supervisor.Liveness{Ask: ask, While: func() bool { return !t.stopping.Load() }, Changed: func(err error) {
		if err != nil {
			note(journal.Step, "hung", "error", err.Error())
			down()
			hangs.Store(true)
			return
		}
		note(journal.Step, "answers")
		up()
	}}
}

// restarted decorates a child of the mesh: any end unasked is a crash.
func (t *task) restarted(u lifecycle.Unit, r supervisor.Runner, c config.Restart) lifecycle.Runner {
	p := policy(string(supervisor.Always), c)
	p.Only = crashed
	return supervisor.Restart(string(u), r, p, t.note(u))
}

// crashed holds for the end of a process. Any other error, such as a taken
// port, a refused version or a readiness that never came, is final.
func crashed(err error) bool {
	_, ok := errors.AsType[*supervisor.Exit](err)
	return ok
}

func (t *task) meshApp() lifecycle.Runner {
	if t.app == nil {
		return t.siblings()
	}
	return t.appRunner(supervisor.Report(t.app, t.mesh.sync.AppUp, t.mesh.sync.AppDown))
}

// health is what `meshtask health` answers of the mesh.
func (m *mesh) health() (bool, string) {
	var lost []string
	if m.keeper != nil {
		lost = m.keeper.Lost()
	}
	switch app := m.sync.Snapshot().App; {
	case m.agentHangs.Load():
		return false, "the Consul agent hangs: its API does not answer"
	case m.envoyHangs.Load():
		return false, "Envoy hangs: its admin interface does not answer"
	case !m.agentUp.Load():
		return false, "the Consul agent is down"
	case !m.envoyUp.Load():
		return false, "Envoy is down"
	case m.keeper == nil && app.Status != health.Passing: // apps of other containers have a health of their own
		return false, app.Output
	case len(lost) > 0:
		return false, "the lease of container " + strings.Join(lost, ", ") + " is lost"
	}
	return true, ""
}

// joinedFor is the time since the agent joined.
func (m *mesh) joinedFor() time.Duration { return time.Since(time.Unix(0, m.joinedAt.Load())) }
