package task

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/envoy"
	"meshtask/internal/event"
	"meshtask/internal/registration"
)

// bootstrapLimit bounds the making of Envoy's bootstrap once the registration stands.
const bootstrapLimit = time.Minute

// meshInit is the unit that runs while the registration stands: it registers service and
// sidecar, writes Envoy's bootstrap, and deregisters. It joins two domains, so it is here.
type meshInit struct {
	consul    consul
	service   string // its name
	bootstrap func() envoy.Bootstrap
	begin     func() error              // what Envoy needs besides its bootstrap
	keep      func(ctx context.Context) // runs while the registration stands
	grace     func() time.Duration
	report    event.Report
	log       hclog.Logger
}

func (u *meshInit) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	// Nobody speaks to the agent after us. A connection that was dialled and never
	// used would hold its end up for a second.
	defer u.consul.Close()
	err := u.up(ctx, stop)
	if err == nil && !stopped(stop) {
		ready()
		u.stay(ctx, stop)
	}
	u.down(ctx)
	return err
}

// stay lasts until the stop, or ctx is done.
func (u *meshInit) stay(ctx context.Context, stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onStop(stop, cancel)()
	if u.keep != nil {
		u.keep(ctx)
	}
	<-ctx.Done()
}

// up registers and writes; a stop cuts it.
func (u *meshInit) up(ctx context.Context, stop <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onStop(stop, cancel)()
	err := u.consul.Register(ctx)
	if err == nil {
		u.report(event.Registered{Service: u.service})
		if u.begin != nil {
			err = u.begin()
		}
	}
	if err == nil {
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
	if !u.consul.Sent() {
		u.report(event.Deregistered{Result: string(registration.Skipped)})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, max(u.grace(), 100*time.Millisecond))
	defer cancel()
	result, err := u.consul.Deregister(ctx)
	u.report(event.Deregistered{Result: string(result)})
	if err != nil {
		u.log.Warn("deregistration is not verified", "error", err)
	}
}

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// onStop calls f when stop is closed; release ends the watch and joins it.
func onStop(stop <-chan struct{}, f func()) (release func()) {
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
