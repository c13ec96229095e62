package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/oklog/run"

	"meshtask/internal/config"
	"meshtask/internal/journal"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// flushLimit bounds how long a slow log reader may hold up the exit.
const flushLimit = 100 * time.Millisecond

// runTask is `meshtask run`.
func runTask(w *world, c call) int {
	if len(c.rest) > 0 {
		return w.fail(exitUsage, "run: unexpected argument %q (the command goes after --)", c.rest[0])
	}
	mode := config.Run
	switch {
	case c.on("no-mesh") && c.on("job"):
		return w.fail(exitUsage, "run: --no-mesh and --job exclude each other")
	case c.on("no-mesh"):
		mode = config.NoMesh
	case c.on("job"):
		mode = config.Job
	}
	cfg, warnings, err := w.config(mode, c)
	if err != nil {
		return w.fail(exitConfig, "%v", err)
	}
	if len(cfg.App.Command) == 0 && mode != config.Run {
		return w.fail(exitUsage, "run: a command is needed: meshtask run [flags] -- CMD ARG…")
	}
	out := supervisor.NewLineWriter(w.stderr)
	defer out.Close(flushLimit)
	t := &task{w: w, cfg: cfg, log: w.logger(cfg.Log, out), out: out, hurry: make(chan struct{}, 3), summary: journal.NewSummary()}
	for _, warn := range warnings {
		t.log.Warn("configuration", "path", warn.Path, "warning", warn.Text)
	}
	return t.live()
}

// config reads the configuration from everywhere it may come from.
func (w *world) config(mode config.Mode, c call) (*config.Config, []config.Finding, error) {
	s := config.Sources{Mode: mode, Name: c.set["config"], Command: c.cmd, Flags: c.set, Env: w.lookup, AgentKeys: agentKeys()}
	if s.Name != "" {
		text, err := os.ReadFile(s.Name)
		if err != nil {
			return nil, nil, fmt.Errorf("--config: %w", err)
		}
		s.File = text
	}
	return config.Load(s)
}

// live is everything between the configuration and the exit code.
func (t *task) live() int {
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	defer t.cancel(nil)
	t.waits = newWaits(t.log)
	t.signalled()
	path, err := t.prepare()
	defer t.close()
	var end lifecycle.Outcome
	if err == nil {
		end, err = t.play(path)
	}
	code := t.finish(end, err)
	return code
}

// play starts the supervisor and conducts the units.
func (t *task) play(path string) (lifecycle.Outcome, error) {
	sup, err := supervisor.New(t.w.chld, t.log)
	if err != nil {
		return lifecycle.Outcome{}, &giveUp{exitInternal, err}
	}
	defer sup.Close()
	t.sup = sup
	if err := t.identify(); err != nil {
		return lifecycle.Outcome{}, err
	}
	if err := t.wire(path); err != nil {
		return lifecycle.Outcome{}, err
	}
	t.marker = lifecycle.NewMarker(t.rows, len(t.cfg.App.Command) > 0)
	if limit := t.cfg.MaxRunTime; limit > 0 {
		timer := time.AfterFunc(limit, func() {
			t.cancel(&giveUp{exitRunTime, fmt.Errorf("the run time limit of %v is over", limit)})
		})
		defer timer.Stop()
	}
	return t.conduct(t.adminTCP())
}

// prepare finds what must be there before anything starts: the command, and
// where the run may write.
func (t *task) prepare() (path string, err error) {
	if len(t.cfg.App.Command) > 0 {
		if path, err = supervisor.Look(t.cfg.App.Command[0], t.w.getenv("PATH")); err != nil {
			code := 127
			if l, ok := errors.AsType[*supervisor.LookError](err); ok {
				code = l.Status()
			}
			return "", &giveUp{code, err}
		}
	}
	if err := t.findParts(); err != nil {
		return "", err
	}
	var names []string
	for _, r := range lifecycle.Documented() {
		if t.cfg.Mode.Mesh() || r.Unit == lifecycle.App {
			names = append(names, string(r.Unit))
		}
	}
	t.alive = journal.NewLive(names...)
	sinks := []func(journal.Entry){t.summary.Add, t.alive.Add, t.say}
	if t.cfg.Mode.Mesh() || t.cfg.Dir != "" {
		if t.dir, err = openStateDir(candidates(t.cfg.Dir, t.w.getenv("TMPDIR"))); err != nil {
			return "", &giveUp{exitInternal, err}
		}
		if t.file, err = journal.Create(t.dir.path); err != nil {
			return "", &giveUp{exitInternal, err}
		}
		if err := os.Remove(t.dir.file("summary.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", &giveUp{exitInternal, err}
		}
		sinks = append(sinks, t.file.Write)
	}
	t.book = journal.New(t.w.begin, sinks...)
	return path, nil
}

// finish says how it ended, in the journal, the summary and the last log line.
func (t *task) finish(out lifecycle.Outcome, err error) int {
	t.waits.end()
	end := ending{cause: out.Cause, app: t.lastExit, command: len(t.cfg.App.Command) > 0, reached: t.reached.Load()}
	if err != nil {
		end.cause = lifecycle.Cause{Err: err}
	}
	code := end.code()
	if t.book == nil {
		return t.w.fail(code, "%v", err)
	}
	if out.Cause != (lifecycle.Cause{}) && out.Cause.Unit != "" && code >= exitConfig || err != nil && !isSignal(err) {
		t.log.Error("the task ends", "exit", code, "unit", string(end.cause.Unit), "error", errText(end.cause.Err))
	}
	t.book.Add(journal.Task, "", journal.Exit, end.cause.String(), "code", code)
	if t.dir != nil {
		if err := t.summary.Write(t.dir.path); err != nil {
			t.log.Warn("cannot write the summary", "error", err)
		}
	}
	if t.cfg.Log.Format == "json" {
		t.log.Info("summary", t.summary.Pairs()...)
	} else {
		t.log.Info("summary: " + t.summary.Line())
	}
	return code
}

func isSignal(err error) bool {
	_, ok := errors.AsType[*stopSignal](err)
	return ok
}

// close gives back what the run held.
func (t *task) close() {
	if t.file != nil {
		if err := t.file.Close(); err != nil {
			t.log.Warn("the timeline is not complete", "error", err)
		}
	}
	if t.dir != nil {
		if err := t.dir.close(); err != nil {
			t.log.Warn("cannot release the state directory", "error", err)
		}
	}
}

// during runs f beside the signal relay, so that a TERM ends its context.
func (t *task) during(f func(ctx context.Context) error) error {
	var err error
	var g run.Group
	done := make(chan struct{})
	g.Add(func() error { err = f(t.ctx); return nil }, func(error) {})
	g.Add(func() error { t.relay.run(done); return nil }, func(error) { close(done) })
	if groupErr := g.Run(); err == nil {
		err = groupErr
	}
	if cause := context.Cause(t.ctx); cause != nil {
		return cause
	}
	return err
}

// wire makes the runners of every row.
func (t *task) wire(path string) error {
	if err := t.wireApp(path); err != nil {
		return err
	}
	if t.cfg.Mode.Mesh() {
		return t.wireMesh()
	}
	t.rows = lifecycle.Documented().Without(lifecycle.Token, lifecycle.ConsulAgent, lifecycle.MeshInit,
		lifecycle.Envoy, lifecycle.HealthSync, lifecycle.Inbound)
	t.runners = map[lifecycle.Unit]lifecycle.Runner{lifecycle.App: t.appRunner(t.app)}
	return t.plan()
}

// plan splits the stop budget over the rows.
func (t *task) plan() error {
	s := t.cfg.Shutdown
	set := lifecycle.StopSettings{StopTimeout: s.StopTimeout.Duration, Drain: s.Drain.Enabled,
		Propagation: s.Drain.PropagationWait.Duration, PropagationGiven: s.Drain.PropagationWait.Given, DrainMin: s.Drain.Min.Duration}
	if s.Drain.Max.Given {
		set.DrainMax = &s.Drain.Max.Duration
	}
	if t.cfg.App.StopTimeout.Given {
		set.AppTimeout = &t.cfg.App.StopTimeout.Duration
	}
	budget, err := lifecycle.PlanStop(t.rows, set)
	if err != nil {
		return &giveUp{exitConfig, fmt.Errorf("shutdown.stopTimeout: %w", err)}
	}
	t.budget = budget
	t.log.Info("plan", "stop", budget.String())
	return nil
}

// wireApp makes the unit of the user's command.
func (t *task) wireApp(path string) error {
	if path == "" {
		return nil
	}
	app := t.cfg.App
	var user *supervisor.User
	if app.User != "" {
		u, err := supervisor.ParseUser(app.User)
		if err != nil {
			return &giveUp{exitConfig, fmt.Errorf("app.user: %w", err)}
		}
		user = u
	}
	spec := supervisor.Spec{Name: string(lifecycle.App), Argv: append([]string{path}, app.Command[1:]...), Dir: app.Dir, User: user,
		Stdin: t.w.stdin, Stdout: t.w.stdout, Stderr: t.w.stderr, Foreground: !t.cfg.Mode.Mesh()}
	if app := t.cfg.Log.App; app == "prefix" {
		spec.Stdout, spec.Stderr = nil, nil
		spec.Lines = func(_ int, line []byte) { t.out.LineWait("[app] ", line) }
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

// probe is the app's readiness.
func (t *task) probe() supervisor.Probe {
	switch r := t.cfg.App.Ready; {
	case r.TCP != "":
		return supervisor.TCP(r.TCP)
	case r.HTTP != "":
		return supervisor.HTTP(r.HTTP)
	case len(r.Exec) > 0:
		return supervisor.Exec(t.sup, supervisor.Spec{Name: "ready", Argv: r.Exec, Env: t.w.env, Dir: t.cfg.App.Dir})
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

// setenv replaces or adds one variable.
func setenv(env []string, name, value string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool { k, _, _ := cut(kv); return k == name })
	return append(env, name+"="+value)
}
