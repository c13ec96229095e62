package lease

import (
	"context"
	"time"
)

// Inbound is row inbound of an app container: when the task is to stop, the app
// is told only after the mesh has drained what comes in. Without a mesh there is
// nothing to wait for, and the wait never eats the app's own share.
type Inbound struct {
	held func() bool
	max  func() time.Duration
	told chan struct{}
}

// NewInbound returns the unit. held says whether the lease is held now, max how
// long the mesh may take from the stop on.
func NewInbound(held func() bool, max func() time.Duration) *Inbound {
	return &Inbound{held: held, max: max, told: make(chan struct{}, 1)}
}

// Drained tells that nothing comes in any more. It never blocks.
func (d *Inbound) Drained() { poke(d.told) }

// lostGrace is how long a mesh container that is not there may take to come
// back once a stop has begun.
const lostGrace = time.Second

// Run is the unit.
func (d *Inbound) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	ready()
	select {
	case <-stop:
	case <-ctx.Done():
		return nil
	}
	wait := d.max()
	if !d.held() {
		wait = min(wait, lostGrace)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-d.told:
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}
