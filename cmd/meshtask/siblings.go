package main

import (
	"context"
	"net/http"
	"syscall"
	"time"

	"meshtask/internal/lease"
	"meshtask/lifecycle"
)

// siblings makes row app without a command: the apps live in other containers
// and hold leases, or are only seen by the task metadata endpoint.
func (t *task) siblings() *lease.Siblings {
	m := t.mesh
	c := lease.SiblingsConfig{
		KeeperConfig: lease.KeeperConfig{Signal: t.appSignal, Grace: t.grace(lifecycle.App), Note: t.note(lifecycle.App)},
		Up:           m.sync.AppUp, Down: m.sync.AppDown, Waiting: t.waits.of(string(lifecycle.App)),
	}
	if !t.cfg.App.Ready.Started { // which says nothing of an app in another container
		c.Probe = t.probe()
	}
	if m.meta != nil {
		c.Task = &lease.Roster{Containers: m.meta.Containers, Own: t.cfg.Task.Container, Synced: t.cfg.HealthSyncContainers}
	}
	s := lease.NewSiblings(c)
	m.keeper = s.Keeper
	return s
}

// leases are the paths that the admin API has besides its own.
func (t *task) leases() map[string]http.Handler {
	if t.mesh == nil || t.mesh.keeper == nil {
		return nil
	}
	return map[string]http.Handler{lease.Path: t.mesh.keeper}
}

// wireSibling makes the rows of `meshtask app`, the entrypoint of a sibling app
// container.
//
// Its table is that of the task with the mesh in another container: row envoy
// is the lease, ready at the mesh's T2; row inbound waits until the mesh says
// that nothing comes in any more; row app is the app.
func (t *task) wireSibling() error {
	h := &lease.Holder{Addr: t.meshAddr, Name: t.leaseName, Wait: t.meshWait, Waiting: t.waits.of(string(lifecycle.Envoy)),
		GiveUp: func(err error) { t.cancel(&giveUp{exitEnvoy, err}) }, Code: t.appCode, Log: t.log.Named("lease")}
	d := lease.NewInbound(h.Held, func() time.Duration { return t.budget.Share(lifecycle.Inbound) })
	h.Stop = func(s syscall.Signal, within time.Duration) {
		t.stopSig.CompareAndSwap(0, int32(s))
		d.Drained()
		t.stopping.Store(true)
		t.cancel(&stopSignal{s})
	}
	t.runners = map[lifecycle.Unit]lifecycle.Runner{lifecycle.Envoy: h, lifecycle.Inbound: d, lifecycle.App: t.appRunner(t.app)}
	return nil
}

// appCode is the app's exit code, for the lease.
func (t *task) appCode() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lastExit == nil {
		return 0
	}
	return t.lastExit.Status()
}

// leaseName is the container's name, where the endpoint tells it, else the task's.
// An endpoint that did not answer at the start is asked again.
func (t *task) leaseName(ctx context.Context) string {
	if c := t.cfg.Task.Container; c != "" {
		return c
	}
	if uri := t.w.getenv("ECS_CONTAINER_METADATA_URI_V4"); uri != "" {
		if name := lease.OwnName(ctx, uri); name != "" {
			return name
		}
	}
	return "app-" + t.cfg.Task.ID
}
