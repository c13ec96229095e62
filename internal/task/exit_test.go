package task

import (
	"errors"
	"syscall"
	"testing"

	"meshtask/internal/event"
	"meshtask/internal/relay"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// The code tells the first cause, whatever the app then answered (CONTRACT §3).
func TestTheExitCodeIsTheFirstCause(t *testing.T) {
	spent := func(u lifecycle.Unit, ready bool) lifecycle.Cause {
		return lifecycle.Cause{Unit: u, Err: &supervisor.RestartsSpent{Name: string(u), Ready: ready, Last: &supervisor.Exit{Code: 1}}}
	}
	unit := func(u lifecycle.Unit) lifecycle.Cause { return lifecycle.Cause{Unit: u, Err: errors.New("it failed")} }
	because := func(u lifecycle.Unit, c event.Code) lifecycle.Cause {
		return lifecycle.Cause{Unit: u, Err: event.Because(c, errors.New("it failed"))}
	}
	start := func(err error) lifecycle.Cause {
		return lifecycle.Cause{Unit: lifecycle.App, Err: &supervisor.StartError{Err: err}}
	}
	term := lifecycle.Cause{Err: &relay.Stopped{Signal: syscall.SIGTERM}}
	answer := &event.Exit{Status: 7}
	for name, c := range map[string]struct {
		e    ending
		want int
	}{
		"meshtask gave up":                  {ending{cause: because("", event.RunTimeLimit), app: answer}, 209},
		"the app was never ready":           {ending{cause: because("", event.AppNotReady), app: answer}, 205},
		"the metadata endpoint":             {ending{cause: because("", event.Metadata)}, 211},
		"an agent that was up once":         {ending{cause: spent(lifecycle.ConsulAgent, true), app: answer}, 206},
		"an agent that never joined":        {ending{cause: spent(lifecycle.ConsulAgent, false)}, 202},
		"an Envoy that was ready once":      {ending{cause: spent(lifecycle.Envoy, true), app: answer}, 206},
		"an Envoy that was never ready":     {ending{cause: spent(lifecycle.Envoy, false)}, 204},
		"an app, ready or not":              {ending{cause: spent(lifecycle.App, false), app: answer}, 206},
		"an Envoy that is too old":          {ending{cause: because(lifecycle.Envoy, event.EnvoyVersion), app: answer}, 207},
		"a secret":                          {ending{cause: unit(lifecycle.Token)}, 201},
		"a login, of the same unit":         {ending{cause: because(lifecycle.Token, event.LoginRefused)}, 203},
		"an agent":                          {ending{cause: unit(lifecycle.ConsulAgent)}, 202},
		"a registration":                    {ending{cause: unit(lifecycle.MeshInit), app: answer}, 203},
		"a check":                           {ending{cause: unit(lifecycle.HealthSync), app: answer}, 203},
		"a listener's check":                {ending{cause: unit(lifecycle.Inbound), app: answer}, 203},
		"an Envoy":                          {ending{cause: unit(lifecycle.Envoy), app: answer}, 204},
		"the app by itself":                 {ending{cause: lifecycle.Cause{Unit: lifecycle.App, Err: errors.New("exit 7")}, app: answer, command: true}, 7},
		"the app's answer to a signal":      {ending{cause: term, app: answer, command: true, up: true}, 7},
		"TERM before the app had started":   {ending{cause: term, command: true}, 143},
		"TERM and no word of the app's end": {ending{cause: term, command: true, up: true}, 143},
		"TERM before T2, without a command": {ending{cause: term}, 143},
		"TERM after T2, without a command":  {ending{cause: term, up: true}, 0},
		"an app that cannot be executed":    {ending{cause: start(syscall.EACCES), command: true}, 126},
		"an app that is not there":          {ending{cause: start(syscall.ENOENT), command: true}, 127},
		"an error that nobody foresaw":      {ending{cause: lifecycle.Cause{Err: errors.New("x")}}, 210},
	} {
		c.e.cause.Err = coded(c.e.cause) // as finish does
		if got := c.e.code(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// What the log calls an error is what was given up, not what was asked for or the app's own end.
func TestGaveUp(t *testing.T) {
	for name, c := range map[string]struct {
		cause lifecycle.Cause
		code  int
		want  bool
	}{
		"a signal":              {lifecycle.Cause{Err: &relay.Stopped{Signal: syscall.SIGTERM}}, 143, false},
		"the app's end":         {lifecycle.Cause{Unit: lifecycle.App, Err: errors.New("exit 3")}, 3, false},
		"a code above 200":      {lifecycle.Cause{Unit: lifecycle.App, Err: errors.New("exit 204")}, 204, false},
		"a good end":            {lifecycle.Cause{Unit: lifecycle.App}, 0, false},
		"a unit of the mesh":    {lifecycle.Cause{Unit: lifecycle.Envoy, Err: errors.New("exit 1")}, 204, true},
		"an error with a cause": {lifecycle.Cause{Err: event.Because(event.RunTimeLimit, errors.New("over"))}, 209, true},
		"an error of nobody":    {lifecycle.Cause{Err: errors.New("x")}, 210, true},
	} {
		if got := gaveUp(c.cause, event.Finish{Code: c.code}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
