package lifecycle

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// unit is ready at once, and ends on stop unless it waits for its kill.
type unit struct{ stubborn bool }

func (u unit) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	ready()
	select {
	case <-stop:
	case <-ctx.Done():
	}
	if u.stubborn {
		<-ctx.Done()
	}
	return nil
}

// Where two signals come while we are not scheduled, the conductor may hear of the second
// one first: it is then not lost. The channels decide by chance, so both orders are played.
func TestASecondSignalIsNotLost(t *testing.T) {
	orders := map[string]func(stop, hurry func()){
		"in order":         func(stop, hurry func()) { stop(); hurry() },
		"the second first": func(stop, hurry func()) { hurry(); stop() },
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				hurry := make(chan struct{})
				c := Conductor{Timeline: Documented().Without(Token, ConsulAgent, MeshInit, HealthSync, Envoy),
					Runners: map[Unit]Runner{Inbound: unit{stubborn: true}, App: unit{}}}
				done := make(chan Outcome, 1)
				go func() { done <- c.Run(ctx, hurry) }()
				synctest.Wait()
				order(func() { cancel(errors.New("TERM")); synctest.Wait() }, func() { hurry <- struct{}{}; synctest.Wait() })
				select {
				case <-done:
				default:
					t.Error("inbound waits on after the second signal")
					hurry <- struct{}{} // so that the test ends
					hurry <- struct{}{}
					<-done
				}
			})
		})
	}
}
