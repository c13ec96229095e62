package main

import (
	"fmt"
	"os"
	"time"

	"meshtask/internal/config"
	"meshtask/internal/linewriter"
	"meshtask/internal/plan"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// wireApp makes the unit of the user's command.
func (t *task) wireApp(path string) error {
	if path == "" {
		return nil
	}
	app := t.cfg.App
	if app.User != "" {
		u, err := supervisor.ParseUser(app.User)
		if err != nil {
			return &giveUp{exitConfig, fmt.Errorf("app.user: %w", err)}
		}
		t.user = u
	}
	spec := supervisor.Spec{Name: string(lifecycle.App), Argv: app.Command, Path: path, Dir: app.Dir, User: t.user,
		Stdin: t.w.stdin, Stdout: t.w.stdout, Stderr: t.w.stderr, Foreground: !t.cfg.Mode.Mesh()}
	if app := t.cfg.Log.App; app == "prefix" {
		spec.Stdout, spec.Stderr = nil, nil
		stdout := t.out
		if !sameFile(t.w.stdout, t.w.stderr) { // two writers would cut each other's long lines
			t.appOut = linewriter.New(t.w.stdout)
			stdout = t.appOut
		}
		spec.Lines = func(stream int, line []byte) {
			to := t.out
			if stream == 1 {
				to = stdout
			}
			to.LineWait("[app] ", line)
		}
	}
	t.app = &supervisor.Process{
		Sup:    t.sup,
		Spec:   func() (supervisor.Spec, error) { return t.appSpec(spec) },
		Signal: t.appSignal,
		Leader: app.Signal == "leader",
		Grace:  t.appGrace,
		Ready:  t.probe(), ReadyTimeout: app.Ready.Timeout.Duration,
		GiveUp:  func(err error) { t.cancel(&giveUp{exitNotReady, err}) },
		Note:    t.note(lifecycle.App),
		Waiting: t.waits.of(string(lifecycle.App)),
		OnExit: func(e supervisor.Exit) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.lastExit = &e
		},
		Log: t.log.Named("app"),
	}
	return nil
}

// appGrace is the app's time from its stop signal to its KILL.
func (t *task) appGrace() time.Duration {
	left := t.grace(lifecycle.App)()
	if given := t.cfg.App.StopTimeout; given.Given {
		return min(left, given.Duration)
	}
	return left
}

// sameFile says whether both are one pipe, terminal or file.
func sameFile(a, b *os.File) bool {
	x, errA := a.Stat()
	y, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// probe is the app's readiness.
func (t *task) probe() supervisor.Probe {
	switch r := t.cfg.App.Ready; {
	case r.TCP != "":
		return supervisor.TCP(r.TCP)
	case r.HTTP != "":
		return supervisor.HTTP(r.HTTP)
	case len(r.Exec) > 0:
		return supervisor.Exec(t.sup, supervisor.Spec{Name: "ready", Argv: r.Exec, Path: t.probed, Env: t.appEnv(), Dir: t.cfg.App.Dir, User: t.user})
	case r.FD > 0:
		return supervisor.FD(r.FD)
	}
	return supervisor.Started()
}

// appRunner decorates the app's process with its restart policy.
func (t *task) appRunner(r supervisor.Runner) lifecycle.Runner {
	p := t.cfg.App.Restart
	return supervisor.Restart(string(lifecycle.App), r, policy(p.Policy, p.Restart), t.note(lifecycle.App))
}

func policy(mode string, r config.Restart) supervisor.Policy {
	return supervisor.Policy{Mode: supervisor.Mode(mode), Max: r.Max, Window: r.Window.Duration, Backoff: r.Backoff.Duration, MaxBackoff: r.MaxBackoff.Duration}
}

// appSpec completes the app's process for one life. It waits for the last
// signal to be asked for, so that none that is meant for the app is lost.
func (t *task) appSpec(spec supervisor.Spec) (supervisor.Spec, error) {
	<-t.w.relayed
	spec.Env = t.appEnv()
	return spec, nil
}

// appEnv is the app's environment: ours without what holds secrets of the mesh,
// the upstreams, and what the configuration adds.
func (t *task) appEnv() []string {
	env := t.w.env
	if t.mesh != nil {
		env = plan.Scrub(env, t.cfg.SecretVariables())
		env = plan.Merge(env, plan.Upstreams(t.cfg.Proxy.Upstreams)...)
	}
	for name, v := range t.cfg.App.Env {
		value := v.Value
		if !v.From.IsZero() {
			value = t.tokens.Of(v.From)
		}
		env = plan.Merge(env, name+"="+value)
	}
	return env
}
