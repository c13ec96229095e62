package task

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"meshtask/envoy"
	"meshtask/internal/cgroup"
	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/internal/registration"
	"meshtask/internal/state"
	"meshtask/lifecycle"
)

// How often what no unit reports by itself is looked at. The first look comes once the marks
// are reached and the mesh has had time to start.
const (
	firstLook    = 2 * time.Second
	eachLook     = 10 * time.Second // whether the servers can be reached
	envoyEvery   = 2                // looks: at Envoy, which goes through all of its statistics
	serversEvery = 3                // looks: at tokens, checks and intentions, which the servers answer
	lookLimit    = 4 * time.Second  // of one
)

// watch looks, from the time that the task is up until its stop begins, at what no unit
// reports, and reports what has changed.
type watch struct {
	up, down chan struct{} // closed by the record
	once     [2]sync.Once

	envoy  *envoy.Watch
	consul *registration.Watch
	budget []event.Condition // of the stop; it never changes
	denied map[string]bool   // by service
	told   func(name string) (c state.Condition, yes bool)
	rows   lifecycle.Timeline
	report func(lifecycle.Unit) event.Report
}

// unit is the one that a condition is about; where the task has none such, that of the registration.
func (w *watch) unit(u lifecycle.Unit) lifecycle.Unit {
	if w.rows.Has(u) {
		return u
	}
	return lifecycle.MeshInit
}

func newWatch() *watch {
	return &watch{up: make(chan struct{}), down: make(chan struct{})}
}

// see is the sink of the record that tells when to look.
func (w *watch) see(e event.Entry) {
	switch ev := e.Event.(type) {
	case event.Mark:
		if e.Way == event.Up && ev.Name == lifecycle.T2.String() {
			w.once[0].Do(func() { close(w.up) })
		}
	case event.Shutdown:
		w.once[1].Do(func() { close(w.down) })
	}
}

// run looks until over is closed. A task without a mesh is not looked at.
func (w *watch) run(over <-chan struct{}) {
	select {
	case <-w.up:
	case <-over:
		return
	}
	if w.envoy == nil {
		<-over
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-w.down:
		case <-over:
		}
		cancel()
	}()
	pause := firstLook
	for n := 0; ; n++ {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			<-over
			return
		}
		w.look(ctx, n%envoyEvery == 0, n%serversEvery == 0)
		pause = eachLook*9/10 + rand.N(eachLook/5)
	}
}

// look asks each part once.
func (w *watch) look(ctx context.Context, envoy, servers bool) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	w.tell(ctx, w.unit(lifecycle.App), append(memory(cgroup.Root{}), w.budget...)...)
	reachable := w.consul.Servers(ctx)
	w.tell(ctx, w.unit(lifecycle.ConsulAgent), reachable)
	if servers && reachable.OK {
		w.tell(ctx, lifecycle.MeshInit, w.consul.Instance(ctx)...)
		if w.consul.Registration.Gateway != nil {
			if c, seen := w.gatewayCondition(ctx); seen {
				w.tell(ctx, lifecycle.Envoy, c)
			}
		}
		if denied, ok := w.consul.Denied(ctx); ok {
			w.denied = denied
		}
	}
	if !envoy {
		return
	}
	seen, err := w.envoy.Look(ctx)
	if err != nil {
		return // what it means that Envoy does not answer is said by the unit
	}
	for i, c := range seen {
		if name, ok := strings.CutPrefix(c.Name, event.CondUpstream); ok && c.OK && w.denied[w.service(name)] {
			seen[i].OK, seen[i].Code, seen[i].Reason = false, event.UpstreamDenied, "intentions deny it"
			seen[i].Facts = event.Facts{"upstream": name, "source": w.consul.Name}
		}
	}
	w.tell(ctx, lifecycle.Envoy, seen...)
}

// service is the service of an upstream's condition.
func (w *watch) service(name string) string {
	for _, u := range w.envoy.Upstreams {
		if u.Name == name {
			return u.Service
		}
	}
	return name
}

// tell reports those that have changed. What is seen while the stop begins counts no more.
func (w *watch) tell(ctx context.Context, u lifecycle.Unit, seen ...event.Condition) {
	for _, c := range seen {
		was, told := w.told(c.Name)
		if ctx.Err() != nil || told && was.OK == c.OK && was.Code == c.Code {
			continue
		}
		c.Healed = told && c.OK
		w.report(u)(c)
	}
}

// nearly is from which part of the container's memory on it counts as used up.
const nearly = 0.9

// memory says whether the container has memory left; nothing where it has no limit.
func memory(root fs.FS) []event.Condition {
	used, limit, ok := cgroup.Memory(root)
	if !ok {
		return nil
	}
	c := event.Condition{Name: event.CondMemory, OK: float64(used) < nearly*float64(limit)}
	if !c.OK {
		c.Code, c.Reason = event.MemoryNearLimit, fmt.Sprintf("%d of %d MiB are in use", used>>20, limit>>20)
	}
	return []event.Condition{c}
}

// leastStop is what an app needs at least between its stop signal and KILL.
const leastStop = 200 * time.Millisecond

// budget says whether the app has time to stop.
func budget(p *plan.Plan) []event.Condition {
	if p.App == nil {
		return nil
	}
	share := p.Stop.Share(lifecycle.App)
	c := event.Condition{Name: event.CondStopBudget, OK: share >= leastStop}
	if !c.OK {
		c.Code, c.Reason = event.StopBudgetSmall, fmt.Sprintf("%v of the stop's %v, between its stop signal and KILL", share.Round(time.Millisecond), p.Stop.StopTimeout)
	}
	return []event.Condition{c}
}

// watches gives the watch what it asks.
func (m *mesh) watches() {
	w, p := m.watch, m.plan
	w.budget = budget(p)
	w.report, w.rows = m.report, p.Rows
	w.told = func(name string) (c state.Condition, yes bool) {
		m.book.Read(func(s *state.State) { c, yes = s.Told[name] })
		return c, yes
	}
	w.consul = m.asked()
	w.envoy = &envoy.Watch{Admin: envoy.NewAdmin(p.Envoy.AdminAddress(m.d.Dir.Path))}
	for _, u := range p.Service.Proxy.Upstreams {
		name := u.DestinationName
		switch {
		case u.DestinationPeer != "":
			name += "." + u.DestinationPeer
		case u.Datacenter != "":
			name += "." + u.Datacenter
		default:
			w.consul.Upstreams = append(w.consul.Upstreams, u.DestinationName)
		}
		w.envoy.Upstreams = append(w.envoy.Upstreams, envoy.Upstream{Name: name, Service: u.DestinationName, Listen: net.JoinHostPort(cmp.Or(u.LocalBindAddress, "127.0.0.1"), strconv.Itoa(u.LocalBindPort))})
	}
}

// asked is how the servers' view of the task is asked for.
func (m *mesh) asked() *registration.Watch {
	w := &registration.Watch{Asker: m.consul, Registration: *m.plan.Service, Token: m.tokens.Service, ACLs: m.plan.Tokens.ACLs, Never: m.plan.Health.Never}
	if m.servers != nil {
		w.Node = func(context.Context) (string, error) { return m.plan.Servers.Node.Name, nil }
		return w
	}
	w.Node, w.AgentToken = m.agent.client.Node, m.agentToken
	return w
}
