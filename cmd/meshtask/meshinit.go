package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/consulagent"
	"meshtask/envoy"
	"meshtask/internal/journal"
	"meshtask/internal/statedir"
)

// bootstrapLimit bounds the making of Envoy's bootstrap once the registration stands.
const bootstrapLimit = time.Minute

// meshInit is the unit that lives while the registration stands: it registers
// service and sidecar, writes Envoy's bootstrap, and deregisters.
type meshInit struct {
	client    *consulagent.Client
	bootstrap func() envoy.Bootstrap
	grace     func() time.Duration
	removed   func(verified bool) // from agent and catalog
	note      func(event, detail string, kv ...any)
	log       hclog.Logger
}

func (u *meshInit) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	// Nobody speaks to the agent after us. A connection that was dialled and never
	// used would hold its end up for a second.
	defer u.client.Close()
	err := u.up(ctx, stop)
	if err == nil && !stopped(stop) {
		ready()
		select {
		case <-stop:
		case <-ctx.Done():
		}
	}
	u.down(ctx)
	return err
}

// up registers and writes; a stop cuts it.
func (u *meshInit) up(ctx context.Context, stop <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	release := onClose(stop, cancel)
	defer release()
	err := u.client.Register(ctx)
	if err == nil {
		u.note(journal.Step, "registered")
		within, done := context.WithTimeout(ctx, bootstrapLimit)
		err = u.bootstrap().Write(within)
		done()
	}
	if stopped(stop) {
		return nil // asked to end before it was done
	}
	return err
}

// down takes both from the agent: also when only a part had been registered.
func (u *meshInit) down(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	if !u.client.Sent() {
		u.note(journal.Step, "deregistered", "result", string(consulagent.Skipped))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, max(u.grace(), 100*time.Millisecond))
	defer cancel()
	result, err := u.client.Deregister(ctx)
	u.note(journal.Step, "deregistered", "result", string(result))
	if err != nil {
		u.log.Warn("deregistration is not verified", "error", err)
	}
	u.removed(result == consulagent.Verified)
}

const bootstrapName = "envoy-bootstrap.json"

// bootstrapDir is where the bootstrap goes. A directory of a consul-ecs document that cannot
// be made, or that somebody else could change, falls back to ours: those documents name a
// volume that containers shared.
func (t *task) bootstrapDir() (*statedir.Dir, error) {
	dir := t.cfg.BootstrapDir
	if dir == "" {
		return t.dir, nil
	}
	shared, err := statedir.Shared(dir)
	switch {
	case err == nil:
		t.shared = shared
		return shared, nil
	case !t.cfg.ConsulECS:
		return nil, &giveUp{exitInternal, fmt.Errorf("bootstrapDir: %w", err)}
	}
	t.log.Warn("bootstrapDir cannot be used, the state directory is", "bootstrapDir", dir, "error", err)
	return t.dir, nil
}

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// onClose calls f when stop is closed; release ends the watch and joins it.
func onClose(stop <-chan struct{}, f func()) (release func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-stop:
			f()
		case <-over:
		}
	}()
	return func() { close(over); <-done }
}
