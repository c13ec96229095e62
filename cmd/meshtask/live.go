package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/oklog/run"

	"meshtask/internal/config"
	"meshtask/internal/journal"
	"meshtask/internal/plan"
	"meshtask/internal/statedir"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// heapGrowth is the percentage by which the heap may grow between collections. What a
// task needs is about a megabyte; the default would let it take four before the first one.
const heapGrowth = 25

// live is everything between the configuration and the exit code.
func (t *task) live() int {
	debug.SetGCPercent(heapGrowth)
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	defer t.cancel(nil)
	t.waits = newWaits(t.log)
	t.signalled()
	defer t.close()
	path, err := t.prepare()
	if err != nil {
		return t.refuse(err)
	}
	end, err := t.play(path)
	return t.finish(end, err)
}

// play starts the supervisor and conducts the units.
func (t *task) play(path string) (lifecycle.Outcome, error) {
	sup, err := supervisor.New(t.w.chld, t.log)
	if err != nil {
		return lifecycle.Outcome{}, &giveUp{exitInternal, err}
	}
	defer sup.Close()
	t.sup = sup
	if t.cfg.Mode.Mesh() { // it holds tokens, and so do its agent and its Envoy
		if err := sup.Harden(); err != nil {
			return lifecycle.Outcome{}, &giveUp{exitInternal, err}
		}
	}
	if err := t.identify(); err != nil {
		return lifecycle.Outcome{}, err
	}
	if t.tokens, err = t.secrets(); err != nil {
		return lifecycle.Outcome{}, err
	}
	if err := t.resolveAlone(); err != nil {
		return lifecycle.Outcome{}, err
	}
	if err := t.wire(path); err != nil {
		return lifecycle.Outcome{}, err
	}
	if t.before != nil {
		var end func()
		if err := t.during(func(ctx context.Context) (err error) {
			end, err = t.before(ctx, t)
			return err
		}); err != nil {
			return lifecycle.Outcome{}, err
		}
		defer end()
	}
	t.marker = lifecycle.NewMarker(t.rows, len(t.cfg.App.Command) > 0)
	if limit := t.cfg.MaxRunTime; limit > 0 {
		timer := time.AfterFunc(limit, func() {
			t.cancel(&giveUp{exitRunTime, fmt.Errorf("the run time limit of %v is over", limit)})
		})
		defer timer.Stop()
	}
	out, err := t.conduct(t.adminTCP())
	t.clearAdopted()
	return out, err
}

// strayGrace is what processes that were left to us get for their TERM.
const strayGrace = 2 * time.Second

// clearAdopted ends what the task's children have left to us, in sessions of
// their own, within what the stop budget leaves.
func (t *task) clearAdopted() {
	left := max(0, min(strayGrace, t.budget.KillAfter-t.elapsed()))
	if killed := t.sup.ClearAdopted(left); len(killed) > 0 {
		t.log.Warn("processes without a parent were killed", "processes", killed)
	}
}

// prepare begins the record, and finds what must be there before anything starts: the
// command, and the programs of the mesh.
func (t *task) prepare() (path string, err error) {
	if err := t.begin(); err != nil {
		return "", &giveUp{exitInternal, err}
	}
	if len(t.cfg.App.Command) > 0 {
		if path, err = supervisor.LookIn(t.cfg.App.Dir, t.cfg.App.Command[0], t.w.getenv("PATH")); err != nil {
			code := 127
			if l, ok := errors.AsType[*supervisor.LookError](err); ok {
				code = l.Status()
			}
			return "", &giveUp{code, err}
		}
	}
	if probe := t.cfg.App.Ready.Exec; len(probe) > 0 {
		if t.probed, err = supervisor.LookIn(t.cfg.App.Dir, probe[0], t.w.getenv("PATH")); err != nil {
			return "", &giveUp{exitConfig, fmt.Errorf("app.ready.exec: %w", err)}
		}
	}
	return path, t.findParts()
}

// begin takes the state directory, where the run has one, and begins the record: whatever
// happens from here on, no earlier life's is left.
func (t *task) begin() (err error) {
	var names []string
	marks := map[string]journal.Marks{}
	for _, r := range plan.Rows(t.cfg) {
		names = append(names, string(r.Unit))
		marks[string(r.Unit)] = journal.Marks{Up: r.Start.String(), Down: r.Stop.String()}
	}
	t.alive = journal.NewLive(names...)
	sinks := []func(journal.Entry){t.summary.Add, t.alive.Add, t.say}
	if t.cfg.Mode.Mesh() || t.cfg.Dir != "" {
		passed := func(err error) { t.log.Warn("a state directory is passed over", "error", err) }
		if t.dir, err = statedir.Open(statedir.Candidates(t.cfg.Dir, t.w.getenv("TMPDIR")), passed); err != nil {
			return err
		}
		if t.file, err = journal.Create(t.dir); err != nil {
			return err
		}
		sinks = append(sinks, t.file.Write)
	}
	t.book = journal.New(t.w.begin, marks, sinks...)
	t.waits.note = func(unit, what string, kv ...any) { t.book.Add(unit, journal.Waiting, what, kv...) }
	return nil
}

// finish says how it ended, in the journal, the summary and the last log line.
func (t *task) finish(out lifecycle.Outcome, err error) int {
	t.waits.end()
	end := ending{cause: out.Cause, app: t.lastExit, command: len(t.cfg.App.Command) > 0, reached: t.reached.Load()}
	if err != nil {
		end.cause = lifecycle.Cause{Err: err}
	}
	if _, ok := errors.AsType[*supervisor.StuckError](out.Errs[lifecycle.App]); ok {
		end.app = &supervisor.Exit{Name: string(lifecycle.App), Signal: syscall.SIGKILL} // as it will be, once it can
	}
	code := end.code()
	_, gaveUp := errors.AsType[*giveUp](end.cause.Err)
	_, unstarted := errors.AsType[*supervisor.StartError](end.cause.Err) // 126 and 127 alone would not tell why
	if gaveUp || unstarted || out.Cause.Unit != "" && code >= exitConfig || err != nil && !isSignal(err) {
		t.log.Error("the task ends", "exit", code, "unit", string(end.cause.Unit), "error", errText(end.cause.Err))
	}
	for unit, err := range out.Errs { // its own end may not have been the cause
		if stuck, ok := errors.AsType[*supervisor.StuckError](err); ok {
			t.log.Error("a process outlives the task", "unit", string(unit), "error", stuck)
		}
	}
	kv := []any{"code", code}
	if u := end.cause.Unit; u != "" {
		kv = append(kv, "unit", string(u))
	}
	t.book.Add(journal.Task, journal.Exit, end.cause.String(), kv...)
	if code >= exitConfig && !t.reached.Load() { // it was refused
		t.summary.Why = whyOf(t.book.Entries())
	}
	t.closeRecord()
	switch {
	case !t.log.IsInfo(): // do not make what nobody reads
	case t.cfg.Log.Format == "json":
		t.log.Info("summary", t.summary.Pairs()...)
	default:
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
	if t.appOut != nil {
		t.appOut.Close(flushLimit)
	}
	if t.shared != nil {
		_ = t.shared.Close() // nothing is written by it any more
	}
	if t.dir != nil {
		if err := t.dir.Close(); err != nil {
			t.log.Warn("cannot release the state directory", "error", err)
		}
	}
}

// closeRecord writes the summary and ends the timeline.
func (t *task) closeRecord() {
	if t.file == nil {
		return
	}
	if err := t.file.Close(t.summary, flushLimit); err != nil {
		t.log.Warn("the record is not complete", "error", err)
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
	t.rows = plan.Rows(t.cfg)
	budget, err := plan.Stop(t.cfg, t.rows)
	if err != nil {
		return &giveUp{exitConfig, err}
	}
	t.budget = budget
	t.log.Info("plan", "stop", budget.String())
	if err := t.wireApp(path); err != nil {
		return err
	}
	switch {
	case t.cfg.Mode.Mesh():
		return t.wireMesh()
	case t.cfg.Mode == config.Sibling:
		return t.wireSibling()
	}
	t.runners = map[lifecycle.Unit]lifecycle.Runner{lifecycle.App: t.appRunner(t.app)}
	return nil
}
