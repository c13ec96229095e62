// Package task is the runtime: it makes the units of a plan, conducts them, and says how the
// task has ended.
//
// It owns no signal handler, no environment and no exit: what it needs of the process comes
// by Deps. It decides no order (package lifecycle does) and reads no configuration (package
// plan did). Every fact goes to the record, and is read from its state.
package task

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/oklog/run"

	"meshtask/consulagent"
	"meshtask/consulservers"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/linewriter"
	"meshtask/internal/page"
	"meshtask/internal/plan"
	"meshtask/internal/relay"
	"meshtask/internal/state"
	"meshtask/internal/statedir"
	"meshtask/internal/token"
	"meshtask/internal/usage"
	"meshtask/internal/waits"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// heapGrowth is the percentage by which the heap may grow between collections. What a task
// needs is about a megabyte; the default would let it take four before the first one.
const heapGrowth = 25

// Run runs one task: it ends when every unit has. ctx done is an orderly stop, with its
// cause as the reason.
func Run(ctx context.Context, planner Planner, d Deps) Outcome {
	debug.SetGCPercent(heapGrowth)
	t := &task{d: d, hurry: make(chan struct{}, 3), watch: newWatch(), pages: page.NewFeed()}
	t.relay = t.signals()
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	defer t.cancel(nil)
	if err := t.open(); err != nil {
		return Outcome{Code: event.Internal.Exit(), Err: err}
	}
	defer t.close()
	out, err := t.run(planner)
	return t.finish(out, err)
}

// task is one run.
type task struct {
	d      Deps
	ctx    context.Context // of the run: its end is the stop, with the cause
	cancel context.CancelCauseFunc
	hurry  chan struct{}

	book  *journal.Journal
	file  *journal.File // nil without a state directory
	waits *waits.Waits
	oom   *oomWatch
	watch *watch
	pages *page.Feed
	usage usage.Reader // of the processes
	emf   *emitter     // nil: the log has no metrics

	saidUp  bool   // of the record, under its lock
	listens string // likewise: where Envoy does

	plan *plan.Plan // once it has been made
	sup  *supervisor.Supervisor

	app   forwarder // of the user's signals
	relay *relay.Relay

	tokens *token.Tokens
	finder *consulservers.Finder // nil with a client agent
	shared *statedir.Dir         // of bootstrapDir; nil: none, or not usable
	meta   *ecs.Client           // nil without a metadata endpoint
	appOut *linewriter.Writer    // standard output, when the app's lines are prefixed; else nil
}

// open begins the record.
func (t *task) open() error {
	sinks := []func(event.Entry){journal.Log(t.d.Log)}
	if t.d.Dir != nil {
		var err error
		if t.file, err = journal.Create(t.d.Dir); err != nil {
			return event.Because(event.StateDirectory, err)
		}
		sinks = append(sinks, t.file.Write)
	}
	sinks = append(sinks, t.atRest, t.watch.see, t.sayUp, t.pages.See)
	t.book = journal.New(t.d.Begin, sinks...)
	t.waits = waits.New(func(unit string, w event.Waiting) { t.book.Report(unit)(w) })
	t.oom = newOOMWatch()
	return nil
}

// atRestAfter is how long behind the app's start most of ours has been done for the last
// time. What comes later brings its pages back.
const atRestAfter = 100 * time.Millisecond

// atRest gives back, once the task is up, what only the start needed.
func (t *task) atRest(e event.Entry) {
	if m, ok := e.Event.(event.Mark); ok && t.d.AtRest != nil && e.Way == event.Up && m.Name == lifecycle.T2.String() {
		time.AfterFunc(atRestAfter, func() {
			if err := t.d.AtRest(); err != nil {
				t.d.Log.Debug("what the start needed is kept", "error", err)
			}
		})
	}
}

// during runs f beside the signal relay. A stop that comes meanwhile ends f's context, and is
// the error then.
func (t *task) during(f func(ctx context.Context) error) error {
	var err error
	var g run.Group
	over := make(chan struct{})
	g.Add(func() error { err = f(t.ctx); return nil }, func(error) {})
	g.Add(func() error { t.relay.Run(over); return nil }, func(error) { close(over) })
	if groupErr := g.Run(); err == nil {
		err = groupErr
	}
	if cause := context.Cause(t.ctx); cause != nil {
		return cause
	}
	return err
}

// conduct runs the units to their end under the top-level group: the task actor alone
// returns by itself, the others serve it until then, and interrupts only signal. The
// conductor alone decides the order.
func (t *task) conduct(u *units) (out lifecycle.Outcome, err error) {
	c := lifecycle.Conductor{Timeline: t.plan.Rows, Runners: u.runners, KillAfter: t.plan.Stop.KillAfter, Observe: t.observe}
	var g run.Group
	src := &source{t, u}
	seen := &watched{t, src}
	g.Add(func() error {
		out = c.Run(t.ctx, t.hurry)
		t.tellPages(seen, out)
		return nil
	}, func(error) {})
	over := make(chan struct{})
	g.Add(func() error { t.relay.Run(over); return nil }, func(error) { close(over) })
	looked := make(chan struct{})
	g.Add(func() error { t.watch.run(looked); return nil }, func(error) { close(looked) })
	told := make(chan struct{})
	g.Add(func() error { t.askReason(told); <-told; return nil }, func(error) { close(told) })
	if e := t.emf; e != nil {
		quiet := make(chan struct{})
		g.Add(func() error { e.run(src, t.plan.Log.EMF.Interval, quiet); return nil }, func(error) { close(quiet) })
	}
	paths := seen.paths(t.pages)
	maps.Copy(paths, u.paths)
	if err := t.listen(&g, src, paths); err != nil {
		return out, err
	}
	return out, g.Run()
}

// run plans, prepares and conducts.
func (t *task) run(planner Planner) (none lifecycle.Outcome, err error) {
	if err := t.during(func(ctx context.Context) error {
		id, err := t.identify(ctx)
		if err == nil {
			t.plan, err = planner(id)
		}
		return err
	}); err != nil {
		return none, err
	}
	for _, w := range t.plan.Warnings {
		t.d.Log.Warn("configuration", "path", w.Path, "warning", w.Text)
	}
	t.emf = newEmitter(t)
	t.d.Log.Info("plan", "stop", t.plan.Stop.String())
	programs, err := lookUp(t.plan, t.d.Env)
	if err != nil {
		return none, err
	}
	if t.sup, err = supervisor.New(t.d.Children, t.d.Log); err != nil {
		return none, event.Because(event.Internal, err)
	}
	defer t.sup.Close()
	if t.plan.Kind.HasMesh() { // it holds tokens, and so do its agent and its Envoy
		if err := t.sup.Harden(); err != nil {
			return none, event.Because(event.Internal, err)
		}
	}
	t.tellRows()
	if t.tokens, err = t.secrets(); err != nil {
		return none, err
	}
	if err := t.resolveAlone(); err != nil {
		return none, err
	}
	u, err := t.wire(programs)
	if err != nil {
		return none, err
	}
	end, err := t.before()
	if err != nil {
		return none, err
	}
	defer end()
	if limit := t.plan.MaxRunTime; limit > 0 {
		timer := time.AfterFunc(limit, func() {
			t.cancel(event.Because(event.RunTimeLimit, fmt.Errorf("the run time limit of %v is over", limit), "limit", limit.String()))
		})
		defer timer.Stop()
	}
	out, err := t.conduct(u)
	t.clearAdopted()
	return out, err
}

// before runs Deps.Before.
func (t *task) before() (end func(), err error) {
	end = func() {}
	if t.d.Before == nil {
		return end, nil
	}
	err = t.during(func(ctx context.Context) error {
		made, err := t.d.Before(ctx, Tools{Plan: t.plan, Dir: t.d.Dir, Log: t.d.Log, Start: t.startBeside,
			Consul: func() (string, error) { return lookUpConsul(t.plan, t.d.Env) }})
		if made != nil {
			end = made
		}
		return err
	})
	if err != nil {
		end()
	}
	return end, err
}

// startBeside starts a child that is no unit's, and prints of its lines what is wrong: the rest
// is not this task's story.
func (t *task) startBeside(name string, argv, env []string) (*supervisor.Child, error) {
	from := hclog.Warn
	if t.d.Log.IsDebug() {
		from = hclog.NoLevel
	}
	output := t.childOutput(name, from)
	return t.sup.Start(supervisor.Spec{Name: name, Argv: argv, Env: env, Lines: func(stream int, line []byte) {
		level, _ := consulagent.ParseLine(line)
		output(stream, level, string(line))
	}})
}

// strayGrace is what processes that were left to us get for their TERM.
const strayGrace = 2 * time.Second

// clearAdopted ends what the task's children have left to us, in sessions of
// their own, within what the stop budget leaves.
func (t *task) clearAdopted() {
	left := max(0, min(strayGrace, t.plan.Stop.KillAfter-t.elapsed()))
	if killed := t.sup.ClearAdopted(left); len(killed) > 0 {
		t.d.Log.Warn("processes without a parent were killed", "processes", killed)
	}
}

// grace is the unit's share of the stop budget from now on. A stop that began with the
// unit's own end has the whole budget.
func (t *task) grace(u lifecycle.Unit) func() time.Duration {
	return func() time.Duration { return t.plan.Stop.Grace(u, t.elapsed()) }
}

// elapsed is the time since the stop began; 0 while none has.
func (t *task) elapsed() (d time.Duration) {
	t.book.Read(func(s *state.State) {
		if s.Stopping {
			d = time.Since(s.StopAt)
		}
	})
	return d
}

// asked says whether the stop was asked for by a signal.
func (t *task) asked() bool {
	_, yes := errors.AsType[*relay.Stopped](context.Cause(t.ctx))
	return yes
}

// stopping says whether the stop has begun.
func (t *task) stopping() (yes bool) {
	t.book.Read(func(s *state.State) { yes = s.Stopping })
	return yes || t.ctx.Err() != nil
}

// report is what a unit reports with.
func (t *task) report(u lifecycle.Unit) event.Report {
	name := string(u)
	return t.oom.report(name, t.waits.Report(name, t.book.Report(name)))
}

// observe records what the machine was told and what it decided.
func (t *task) observe(e lifecycle.Event, actions []lifecycle.Action) {
	record := func(u lifecycle.Unit, e event.Event) { t.book.Report(string(u))(e) }
	switch e := e.(type) {
	case lifecycle.Ready:
		record(e.Unit, event.Ready{})
	case lifecycle.Ended:
		record(e.Unit, event.Ended{Err: errText(e.Err)})
	case lifecycle.DeadlinePassed:
		record(lifecycle.Unit(event.Task), event.Mark{Name: lifecycle.T4.String()})
	}
	for _, a := range actions {
		switch a := a.(type) {
		case lifecycle.Start:
			record(a.Unit, event.Start{})
		case lifecycle.Shutdown:
			record(lifecycle.Unit(event.Task), event.Shutdown{Cause: a.Cause.String()})
		case lifecycle.Stop:
			record(a.Unit, event.Stop{})
		case lifecycle.Kill:
			if a.Moot {
				record(a.Unit, event.Stop{Moot: true})
			} else {
				record(a.Unit, event.Killed{Name: string(a.Unit)})
			}
		}
	}
}

// errText is what a unit ended with; to have been told to end is no error.
func errText(err error) string {
	if err == nil || errors.Is(err, context.Canceled) {
		return ""
	}
	return err.Error()
}

// appSignal is what the app gets when it is to stop.
func (t *task) appSignal() syscall.Signal {
	if t.plan.App != nil && t.plan.App.StopSignal != 0 {
		return syscall.Signal(t.plan.App.StopSignal)
	}
	if s, ok := errors.AsType[*relay.Stopped](context.Cause(t.ctx)); ok {
		return s.Signal
	}
	return syscall.SIGTERM
}
