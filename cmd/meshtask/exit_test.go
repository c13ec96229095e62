package main

import (
	"errors"
	"syscall"
	"testing"

	"meshtask/envoy"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// The code tells the first cause, whatever the app then answered (CONTRACT §3).
func TestTheExitCodeIsTheFirstCause(t *testing.T) {
	spent := func(u lifecycle.Unit, ready bool) lifecycle.Cause {
		return lifecycle.Cause{Unit: u, Err: &supervisor.RestartsSpent{Name: string(u), Ready: ready, Last: &supervisor.Exit{Code: 1}}}
	}
	unit := func(u lifecycle.Unit) lifecycle.Cause { return lifecycle.Cause{Unit: u, Err: errors.New("it failed")} }
	term := lifecycle.Cause{Err: &stopSignal{syscall.SIGTERM}}
	answer := &supervisor.Exit{Code: 7}
	for name, c := range map[string]struct {
		e    ending
		want int
	}{
		"meshtask gave up":                {ending{cause: lifecycle.Cause{Err: &giveUp{209, errors.New("x")}}, app: answer}, 209},
		"an agent that was up once":       {ending{cause: spent(lifecycle.ConsulAgent, true), app: answer}, 206},
		"an agent that never joined":      {ending{cause: spent(lifecycle.ConsulAgent, false)}, 202},
		"an Envoy that was ready once":    {ending{cause: spent(lifecycle.Envoy, true), app: answer}, 206},
		"an Envoy that was never ready":   {ending{cause: spent(lifecycle.Envoy, false)}, 204},
		"an app, ready or not":            {ending{cause: spent(lifecycle.App, false), app: answer}, 206},
		"an Envoy that is too old":        {ending{cause: lifecycle.Cause{Unit: lifecycle.Envoy, Err: &envoy.VersionError{Version: "1.20.0", TooOld: true}}}, 207},
		"a secret":                        {ending{cause: unit(lifecycle.Token)}, 201},
		"an agent":                        {ending{cause: unit(lifecycle.ConsulAgent)}, 202},
		"a registration":                  {ending{cause: unit(lifecycle.MeshInit), app: answer}, 203},
		"a check":                         {ending{cause: unit(lifecycle.HealthSync), app: answer}, 203},
		"a listener's check":              {ending{cause: unit(lifecycle.Inbound), app: answer}, 203},
		"an Envoy":                        {ending{cause: unit(lifecycle.Envoy), app: answer}, 204},
		"the app by itself":               {ending{cause: lifecycle.Cause{Unit: lifecycle.App, Err: answer}, app: answer, command: true}, 7},
		"the app's answer to a signal":    {ending{cause: term, app: answer, command: true, reached: true}, 7},
		"TERM before the app had started": {ending{cause: term, command: true}, 143},
		"TERM before T2, without a CMD":   {ending{cause: term}, 143},
		"TERM after T2, without a CMD":    {ending{cause: term, reached: true}, 0},
		"an app that cannot be executed":  {ending{cause: lifecycle.Cause{Unit: lifecycle.App, Err: &supervisor.StartError{Err: syscall.EACCES}}, command: true}, 126},
		"an app that is not there":        {ending{cause: lifecycle.Cause{Unit: lifecycle.App, Err: &supervisor.StartError{Err: syscall.ENOENT}}, command: true}, 127},
		"an error that nobody foresaw":    {ending{cause: lifecycle.Cause{Err: errors.New("x")}}, 210},
	} {
		if got := c.e.code(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
