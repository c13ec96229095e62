package main

import (
	"errors"
	"syscall"

	"meshtask/envoy"
	"meshtask/internal/event"
	"meshtask/internal/signame"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// stopSignal is the cause of a shutdown that a signal asked for.
type stopSignal struct{ sig syscall.Signal }

func (s *stopSignal) Error() string { return signame.Short(s.sig) }

// giveUp is the cause of a shutdown that meshtask itself began.
type giveUp struct {
	code int
	err  error
}

func (g *giveUp) Error() string { return g.err.Error() }
func (g *giveUp) Unwrap() error { return g.err }

// ofUnit is the code of a unit that ended the task, when nothing says it better.
var ofUnit = map[lifecycle.Unit]int{
	lifecycle.Token:       exitSecret,
	lifecycle.ConsulAgent: exitConsul,
	lifecycle.MeshInit:    exitRegister,
	lifecycle.HealthSync:  exitRegister,
	lifecycle.Inbound:     exitRegister,
	lifecycle.Envoy:       exitEnvoy,
}

// ending is what the exit code depends on.
type ending struct {
	cause   lifecycle.Cause
	app     *supervisor.Exit // of the app's last life; nil when it never ran
	command bool             // there is a CMD
	reached bool             // T2 up was reached
}

// code tells the first cause (CONTRACT §3): meshtask's own failure wins over
// whatever the app then answered, and the app's answer over the signal.
func (e ending) code() int {
	if g, ok := errors.AsType[*giveUp](e.cause.Err); ok {
		return g.code
	}
	if c := event.CauseOf(e.cause.Err); c != nil && c.Code.Exit() != 0 {
		return c.Code.Exit()
	}
	if _, ok := errors.AsType[*envoy.VersionError](e.cause.Err); ok {
		return exitVersion
	}
	// An agent or Envoy that was never ready is not there, however often it was tried.
	if s, ok := errors.AsType[*supervisor.RestartsSpent](e.cause.Err); ok && (s.Ready || e.cause.Unit == lifecycle.App) {
		return exitRestarts
	}
	if e.cause.Unit != "" && e.cause.Unit != lifecycle.App {
		return ofUnit[e.cause.Unit]
	}
	if s, ok := errors.AsType[*stopSignal](e.cause.Err); ok {
		switch {
		case e.app != nil:
			return e.app.Status()
		case !e.command && e.reached:
			return 0
		}
		return 128 + int(s.sig)
	}
	return e.appCode()
}

// appCode is the code of an app that ended by itself, or could not be started.
func (e ending) appCode() int {
	if s, ok := errors.AsType[*supervisor.StartError](e.cause.Err); ok {
		return s.Status()
	}
	switch {
	case e.app != nil:
		return e.app.Status()
	case e.cause.Err != nil:
		return exitInternal
	}
	return 0
}
