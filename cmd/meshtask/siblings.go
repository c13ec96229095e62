package main

import (
	"context"
	"net/http"
	"slices"
	"syscall"
	"time"

	"meshtask/internal/ecs"
	"meshtask/internal/lease"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// siblings is row app without a command: the apps live in other containers and
// hold leases, or are only seen by the task metadata endpoint.
type siblings struct {
	keeper   *lease.Keeper
	changed  chan struct{}    // one pending hint that the leases have changed
	probe    supervisor.Probe // of the app's port, on the loopback that we share
	up, down func()
	wait     func(what, lastError, hint string)
}

func (t *task) siblings() *siblings {
	m := t.mesh
	s := &siblings{changed: make(chan struct{}, 1), probe: t.probe(), wait: t.waits.of(string(lifecycle.App)), up: m.sync.AppUp, down: m.sync.AppDown}
	s.keeper = &lease.Keeper{Signal: t.appSignal, Grace: t.grace(lifecycle.App), Note: t.note(lifecycle.App), Changed: func() {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}}
	if m.meta != nil {
		s.keeper.Others = t.others
	}
	m.keeper = s.keeper
	return s
}

// Run keeps the leases.
func (s *siblings) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.follow(following)
	}()
	release := onClose(stop, cancel)
	err := s.keeper.Run(ctx, ready, stop)
	cancel()
	release()
	<-done
	return err
}

// follow tells health about the app: it is up when its readiness probe says so,
// and down when its lease has gone, until both are there again. A wrapper leases
// before its app starts, so the lease alone says nothing.
func (s *siblings) follow(ctx context.Context) {
	for s.until(ctx, true) {
		up, err := s.answers(ctx)
		if err != nil {
			return
		}
		if !up {
			continue
		}
		s.up()
		if !s.until(ctx, false) {
			return
		}
		s.down()
	}
}

// answers waits for the probe; false: the app has gone meanwhile. The error is
// the probe's own, or ctx's.
func (s *siblings) answers(ctx context.Context) (bool, error) {
	asking, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		s.until(asking, false)
		cancel()
	}()
	err := s.probe.Await(asking, s.wait)
	left := asking.Err() != nil
	cancel()
	<-gone
	if left {
		return false, ctx.Err()
	}
	return err == nil, err
}

// until waits for the apps to be there, or not to be; false: ctx is done.
func (s *siblings) until(ctx context.Context, here bool) bool {
	for s.keeper.Here() != here {
		select {
		case <-s.changed:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// others counts app containers that still run and never held a lease: the
// fallback for apps without our wrapper.
func (t *task) others(ctx context.Context, known []string) (int, error) {
	named := t.cfg.HealthSyncContainers
	if len(named) == 0 && len(known) > 0 {
		return 0, nil // the apps hold leases; what else runs is a log router, an agent
	}
	list, err := t.mesh.meta.Containers(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, c := range list {
		app := len(named) == 0 || slices.Contains(named, c.Name)
		if app && c.Type == "NORMAL" && c.Name != t.cfg.Task.Container && runs(c) && !slices.Contains(known, c.Name) {
			n++
		}
	}
	return n, nil
}

// runs says whether a container has an app that may still call out. One that has
// not been started when the task stops never will be.
func runs(c ecs.Container) bool {
	return !slices.Contains([]string{"NONE", "MANIFEST_PULLED", "PULLED", "CREATED", "STOPPED"}, c.KnownStatus)
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
	h := &lease.Holder{Addr: t.meshAddr, Name: t.leaseName(), Wait: t.meshWait, Waiting: t.waits.of(string(lifecycle.Envoy)),
		GiveUp: func(err error) { t.cancel(&giveUp{exitEnvoy, err}) }, Code: t.appCode}
	d := &drained{held: h.Held, told: make(chan struct{}, 1), most: func() time.Duration { return t.budget.Share(lifecycle.Inbound) }}
	h.Stop = func(s syscall.Signal, within time.Duration) {
		t.stopSig.CompareAndSwap(0, int32(s))
		select {
		case d.told <- struct{}{}:
		default:
		}
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
func (t *task) leaseName() string {
	if c := t.cfg.Task.Container; c != "" {
		return c
	}
	return "app-" + t.cfg.Task.ID
}

// drained is row inbound of an app container: when the task is to stop, the app
// is told only after the mesh has drained what comes in. Without a mesh there
// is nothing to wait for, and the wait never eats the app's own share.
type drained struct {
	held func() bool
	told chan struct{}
	most func() time.Duration
}

// lostGrace is how long a mesh container that is not there may take to come
// back once a stop has begun.
const lostGrace = time.Second

func (d *drained) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	ready()
	select {
	case <-stop:
	case <-ctx.Done():
		return nil
	}
	most := d.most()
	if !d.held() {
		most = min(most, lostGrace)
	}
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-d.told:
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}

// ownName is the container's name by the task metadata endpoint; an endpoint
// that is not there, or does not answer at once, names nobody.
func ownName(ctx context.Context, uri string) string {
	c, err := ecs.New(uri)
	if err != nil {
		return ""
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	own, err := c.Own(ctx)
	if err != nil {
		return ""
	}
	return own.Name
}
