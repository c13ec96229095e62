package task

import (
	"context"
	"net/http"
	"syscall"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/lease"
	"meshtask/internal/relay"
	"meshtask/internal/state"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// siblings makes row app without a command: the apps live in other containers and hold
// leases, or are only seen by the task metadata endpoint. The paths are the lease's.
func (m *mesh) siblings(probe supervisor.Probe) (lifecycle.Runner, map[string]http.Handler) {
	report := m.report(lifecycle.App)
	c := lease.SiblingsConfig{
		KeeperConfig: lease.KeeperConfig{Signal: m.appSignal, Grace: m.grace(lifecycle.App), Report: report},
		Up:           func() { report(event.Serving{}); m.sync.AppUp() }, Down: m.sync.AppDown,
	}
	if !m.plan.Ready.Started() { // which says nothing of an app in another container
		c.Probe = probe
	}
	if m.meta != nil {
		c.Task = &lease.Roster{Containers: m.meta.Containers, Own: m.plan.Task.Container, Synced: m.plan.Health.Siblings}
	}
	s := lease.NewSiblings(c)
	return s, map[string]http.Handler{lease.Path: s.Keeper}
}

// siblingUnits makes the rows of `meshtask app`, the entrypoint of a sibling app container.
//
// Its table is that of the task with the mesh in another container: row envoy is the lease,
// ready at the mesh's T2; row inbound waits until the mesh says that nothing comes in any
// more; row app is the app.
func (t *task) siblingUnits(app *supervisor.Process) *units {
	h := &lease.Holder{Addr: t.plan.Lease.Address, Name: t.leaseName, Wait: t.plan.Lease.Wait, Report: t.report(lifecycle.Envoy),
		GiveUp: t.cancel, Code: t.appCode, Log: t.d.Log.Named("lease")}
	in := lease.NewInbound(h.Held, func() time.Duration { return t.plan.Stop.Share(lifecycle.Inbound) })
	h.Stop = func(s syscall.Signal, _ time.Duration) {
		in.Drained()
		t.cancel(&relay.Stopped{Signal: s})
	}
	return &units{runners: map[lifecycle.Unit]lifecycle.Runner{
		lifecycle.Envoy: h, lifecycle.Inbound: in,
		lifecycle.App: t.restarted(lifecycle.App, t.reportUp(lifecycle.App, app, nothing, nothing), t.plan.App.Restart, nil),
	}}
}

// appCode is the app's exit code, for the lease.
func (t *task) appCode() (code int) {
	t.book.Read(func(s *state.State) {
		if s.AppExit != nil {
			code = s.AppExit.Status
		}
	})
	return code
}

// leaseName is the container's name, where the endpoint tells it, else the task's. An endpoint
// that did not answer at the start is asked again.
func (t *task) leaseName(ctx context.Context) string {
	if c := t.plan.Task.Container; c != "" {
		return c
	}
	if t.d.Metadata != "" {
		if name := lease.OwnName(ctx, t.d.Metadata); name != "" {
			return name
		}
	}
	return "app-" + t.plan.Task.ID
}
