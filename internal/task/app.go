package task

import (
	"errors"
	"fmt"
	"os"
	"time"

	"meshtask/internal/ask"
	"meshtask/internal/event"
	"meshtask/internal/linewriter"
	"meshtask/internal/plan"
	"meshtask/internal/secret"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// appUnit makes the unit of the user's command: the process, and the runner that restarts it.
func (t *task) appUnit(path string, user *supervisor.User, probe supervisor.Probe) *supervisor.Process {
	a, report := t.plan.App, t.report(lifecycle.App)
	spec := supervisor.Spec{Name: string(lifecycle.App), Argv: a.Argv, Path: path, Dir: a.Dir, User: user,
		Stdin: t.d.Stdin, Stdout: t.d.Stdout, Stderr: t.d.Stderr, Foreground: true}
	if t.plan.Log.App == "prefix" {
		spec.Stdout, spec.Stderr, spec.Lines = nil, nil, t.appLines()
	}
	return &supervisor.Process{
		Sup: t.sup,
		Spec: func() (supervisor.Spec, error) {
			if t.d.Relayed != nil {
				<-t.d.Relayed // so that no signal that is meant for the app is lost
			}
			one := spec
			one.Env = t.appEnv()
			return one, nil
		},
		Signal: t.appSignal, Leader: a.Leader, Grace: t.appGrace,
		Ready: probe, ReadyTimeout: t.plan.Ready.Timeout,
		GiveUp: func(err error) { t.cancel(notReady(err)) },
		Report: report, Log: t.d.Log.Named("app"),
	}
}

// notReady is an app that was not ready in time, with what it was asked.
func notReady(err error) error {
	late, ok := errors.AsType[*supervisor.NotReady](err)
	c := event.CauseOf(err)
	if !ok || c != nil && c.Code != event.AppNotReady {
		return event.Or(event.AppNotReady, err)
	}
	facts := []string{"what", late.What}
	if late.Last != nil {
		facts = append(facts, event.FactSaid, late.Last.Error())
	}
	return event.Because(event.AppNotReady, err, facts...)
}

// appLines prefixes the app's lines.
func (t *task) appLines() func(stream int, line []byte) {
	stdout := t.d.Out
	if !sameFile(t.d.Stdout, t.d.Stderr) { // two writers would cut each other's long lines
		t.appOut = linewriter.New(t.d.Stdout)
		stdout = t.appOut
	}
	return func(stream int, line []byte) {
		to := t.d.Out
		if stream == 1 {
			to = stdout
		}
		to.LineWait("[app] ", line)
	}
}

// sameFile says whether both are one pipe, terminal or file.
func sameFile(a, b *os.File) bool {
	x, errA := a.Stat()
	y, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// appEnv is the app's environment now: what the references hold is known once the unit token
// is ready.
func (t *task) appEnv() []string { return t.plan.App.Env.Of(t.d.Env, t.secretOf) }

// appGrace is the app's time from its stop signal to its KILL.
func (t *task) appGrace() time.Duration {
	left := t.grace(lifecycle.App)()
	if given := t.plan.App.StopTimeout; given != nil {
		return min(left, *given)
	}
	return left
}

// probe is the readiness of the app, or of the siblings.
func (t *task) probe(path string, user *supervisor.User) supervisor.Probe {
	switch r := t.plan.Ready; {
	case r.Question != plan.Question{}:
		return supervisor.Asked(question(r.Question), r.Question.String(), hint(r.Question))
	case len(r.Exec) > 0:
		return supervisor.Exec(t.sup, func() supervisor.Spec {
			spec := supervisor.Spec{Name: "ready", Argv: r.Exec, Path: path, User: user, Env: t.d.Env}
			if a := t.plan.App; a != nil {
				spec.Env, spec.Dir = t.appEnv(), a.Dir
			}
			return spec
		})
	case r.FD > 0:
		return supervisor.FD(r.FD)
	}
	return supervisor.Started()
}

// question is what q asks.
func question(q plan.Question) ask.Question {
	switch {
	case q.TCP != "":
		return ask.TCP(q.TCP)
	case q.HTTP != "":
		return ask.HTTP(q.HTTP)
	}
	return ask.GRPC(q.GRPC)
}

// hint is what is usually missing while q has no answer.
func hint(q plan.Question) string {
	switch {
	case q.TCP != "":
		return "have the app listen on this address and port"
	case q.HTTP != "":
		return "have the app answer this URL with 200 to 399"
	}
	return "have the app serve grpc.health.v1.Health there, and report SERVING"
}

// appUser is the user that the app runs as; nil: ours.
func appUser(p *plan.Plan) (*supervisor.User, error) {
	if p.App == nil || p.App.User == "" {
		return nil, nil
	}
	u, err := supervisor.ParseUser(p.App.User)
	if err != nil {
		return nil, event.Because(event.ConfigUser, fmt.Errorf("app.user: %w", err), "user", p.App.User)
	}
	return u, nil
}

// restarted decorates a runner with its restart policy. only says after which errors a
// restart may help; nil: any.
func (t *task) restarted(u lifecycle.Unit, r supervisor.Runner, p plan.Restart, only func(error) bool) lifecycle.Runner {
	return supervisor.Restart(string(u), r, supervisor.Policy{Mode: supervisor.Mode(p.Policy), Max: p.Max, Window: p.Window,
		Backoff: p.Backoff, MaxBackoff: p.MaxBackoff, Only: only}, t.report(u))
}

// reportUp reports each run of r that is ready, and calls up and down for it.
func (t *task) reportUp(u lifecycle.Unit, r supervisor.Runner, up, down func()) supervisor.Runner {
	report := t.report(u)
	again := false // in the unit's own goroutine
	return supervisor.Report(r, func() {
		report(event.Serving{Again: again})
		again = true
		up()
	}, down)
}

func nothing() {}

// secretOf is what a reference holds; "" until the unit token is ready.
func (t *task) secretOf(ref secret.Ref) string { return t.tokens.Of(ref) }
