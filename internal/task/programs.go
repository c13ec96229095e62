package task

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/supervisor"
)

// programs are the paths of what the plan executes.
type programs struct {
	app    string
	probe  string // of app.ready.exec
	consul string
	envoy  string
}

// lookUp finds every program before anything starts. The error's code says which one is
// missing, and why.
func lookUp(p *plan.Plan, env []string) (out programs, err error) {
	path := variable(env, "PATH")
	if a := p.App; a != nil {
		if out.app, err = supervisor.LookIn(a.Dir, a.Argv[0], path); err != nil {
			return out, commandError(err)
		}
	}
	if probe := p.Ready.Exec; len(probe) > 0 {
		dir := ""
		if p.App != nil {
			dir = p.App.Dir
		}
		if out.probe, err = supervisor.LookIn(dir, probe[0], path); err != nil {
			return out, event.Because(event.ConfigProbe, fmt.Errorf("app.ready.exec: %w", err), "program", probe[0])
		}
	}
	if !p.Kind.HasMesh() {
		return out, nil
	}
	if p.Agent != nil && p.Agent.External == "" || p.Envoy.ConsulMakes {
		if out.consul, err = lookUpConsul(p, env); err != nil {
			return out, err
		}
	}
	if out.envoy, err = supervisor.Look(p.Envoy.Command, path); err != nil {
		return out, event.Because(event.EnvoyMissing, fmt.Errorf("envoy.command: %w", err), "program", p.Envoy.Command)
	}
	return out, nil
}

// lookUpConsul finds consul, which a task without an agent can do without.
func lookUpConsul(p *plan.Plan, env []string) (string, error) {
	consul, err := supervisor.Look(p.Consul, variable(env, "PATH"))
	if err != nil {
		err = event.Because(event.ConsulMissing, fmt.Errorf("consulAgent.command: %w", err), "program", p.Consul)
	}
	return consul, err
}

// commandError gives the app's command its code: 126 or 127 follow from it.
func commandError(err error) error {
	if l, ok := errors.AsType[*supervisor.LookError](err); ok {
		return event.Because(l.Code(), err, "name", l.Name)
	}
	return event.Because(event.CommandNotFound, err)
}

// variable is the value of one variable, empty when it is not set.
func variable(env []string, name string) string {
	value, _ := lookup(env, name)
	return value
}

// lookup reads one variable; the last one wins, as in a shell.
func lookup(env []string, name string) (string, bool) {
	for _, kv := range slices.Backward(env) {
		if key, value, _ := strings.Cut(kv, "="); key == name {
			return value, true
		}
	}
	return "", false
}
