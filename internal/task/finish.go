package task

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/relay"
	"meshtask/internal/state"
	"meshtask/internal/why"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// flushLimit bounds how long a slow log reader may hold up the exit.
const flushLimit = 100 * time.Millisecond

// recordLimit bounds how long a slow disk may: a busy machine must not cost a task its
// summary. endReserve is what the record may use of the time between the last KILL and the
// orchestrator's own.
const (
	recordLimit = 2 * time.Second
	endReserve  = 200 * time.Millisecond
)

// finish says how it ended: in the record, the summary and the log.
func (t *task) finish(out lifecycle.Outcome, err error) Outcome {
	t.waits.Close()
	f, cause := t.ended(out, err)
	started := t.sup != nil
	result := Outcome{Code: f.Code, Started: started}
	if gaveUp(cause, f) {
		result.Err = cause.Err
		if started {
			journal.GaveUp(t.d.Log, f.Code, f.Unit, cause.Err)
		}
	}
	for unit, err := range out.Errs { // its own end may not have been the cause
		if stuck, ok := errors.AsType[*supervisor.StuckError](err); ok {
			t.d.Log.Error("a process outlives the task", "unit", string(unit), "error", stuck)
		}
	}
	result.Summary = conclude(t.book, f)
	if t.file != nil {
		if err := t.file.Close(&result.Summary, t.recordTime()); err != nil {
			t.d.Log.Warn("the record is not complete", "error", err)
		}
	}
	if t.emf != nil {
		t.emf.life(result.Summary)
	}
	if started || result.Err == nil { // else the caller says it
		t.sayEnd(result.Summary)
	}
	return result
}

// ended is what the end comes to, with its cause.
func (t *task) ended(out lifecycle.Outcome, err error) (event.Finish, lifecycle.Cause) {
	cause := out.Cause
	if err != nil {
		cause = lifecycle.Cause{Err: err}
	}
	cause.Err = coded(cause)
	end := ending{cause: cause, command: t.plan != nil && t.plan.App != nil}
	t.book.Read(func(s *state.State) { end.app, end.up = s.AppExit, s.Up })
	if _, ok := errors.AsType[*supervisor.StuckError](out.Errs[lifecycle.App]); ok {
		end.app = &event.Exit{Name: string(lifecycle.App), Status: 128 + int(syscall.SIGKILL)} // as it will be, once it can
	}
	f := event.Finish{Cause: cause.String(), Code: end.code(), Unit: string(cause.Unit)}
	if c := event.CauseOf(cause.Err); c != nil {
		f.Why, f.Facts = c.Code, c.Facts
	}
	return f, cause
}

// conclude reports the end of the run and gives its summary, with why it ended.
func conclude(book *journal.Journal, f event.Finish) state.Summary {
	book.Report(event.Task)(f)
	var summary state.Summary
	book.Read(func(s *state.State) {
		a := why.Of(s)
		s.Summary.Why = &a
		summary = s.Summary
	})
	return summary
}

// recordTime is how long the disk may take for the record: what a stop has left of its time.
func (t *task) recordTime() time.Duration {
	if t.plan == nil || !t.stopping() {
		return recordLimit
	}
	return min(recordLimit, max(flushLimit, t.plan.Stop.KillAfter+endReserve-t.elapsed()))
}

// gaveUp says whether the task was given up, by us or by a unit of the mesh: that is an error
// in the log.
func gaveUp(cause lifecycle.Cause, f event.Finish) bool {
	if event.CauseOf(cause.Err) != nil { // of an app that was not executed, too: 126 and 127 alone would not tell why
		return true
	}
	_, asked := errors.AsType[*relay.Stopped](cause.Err)
	return !asked && cause.Err != nil && (cause.Unit == "" || f.Code >= event.ConfigBad.Exit() && cause.Unit != lifecycle.App)
}

// sayEnd is the last two lines of the log: how the life ended, and the summary.
func (t *task) sayEnd(s state.Summary) {
	if t.d.Log.IsInfo() {
		t.d.Log.Info(t.sentence(s))
	}
	switch {
	case !t.d.Log.IsInfo(): // do not make what nobody reads
	case t.d.JSON:
		t.d.Log.Info("summary", s.Pairs()...)
	default:
		t.d.Log.Info("summary: " + s.Line())
	}
}

// close gives back what the run held.
func (t *task) close() {
	if t.appOut != nil {
		t.appOut.Close(flushLimit)
	}
	if t.shared != nil {
		_ = t.shared.Close() // nothing is written by it any more
	}
}

// ending is what the exit code depends on.
type ending struct {
	cause   lifecycle.Cause
	app     *event.Exit // of the app's last life; nil when it never ran
	command bool        // there is a CMD
	up      bool        // T2 was reached
}

// code tells the first cause (CONTRACT §3): meshtask's own failure wins over whatever the
// app then answered, and the app's answer over the signal.
func (e ending) code() int {
	if c := event.CauseOf(e.cause.Err); c != nil && c.Code.Exit() != 0 {
		return c.Code.Exit()
	}
	if s, ok := errors.AsType[*relay.Stopped](e.cause.Err); ok {
		switch {
		case e.app != nil:
			return e.app.Status
		case !e.command && e.up:
			return 0
		}
		return 128 + int(s.Signal)
	}
	return e.appCode()
}

// coded is the error of a cause with the code of why the task was given up, if it was: its
// own, else that of the unit whose end it is.
func coded(c lifecycle.Cause) error {
	app := c.Unit == lifecycle.App
	// An agent or Envoy that was never ready is not there, however often it was tried.
	if s, ok := errors.AsType[*supervisor.RestartsSpent](c.Err); ok && (s.Ready || app) {
		last := supervisor.Restarted(s.Last)
		spent := event.Because(spentCode(c.Unit), c.Err, "budget", fmt.Sprintf("%d within %v", s.Max, s.Window))
		event.CauseOf(spent).Facts.End(last.How, last.Signal, last.Said)
		return spent
	}
	s, unstarted := errors.AsType[*supervisor.StartError](c.Err)
	switch {
	case unstarted && app:
		return event.Or(s.Code(), c.Err)
	case unstarted && c.Unit == lifecycle.ConsulAgent: // whatever it would be for the app's command
		return event.Because(event.ConsulMissing, c.Err, "program", s.Path)
	case unstarted && c.Unit == lifecycle.Envoy:
		return event.Because(event.EnvoyMissing, c.Err, "program", s.Path)
	case c.Err == nil, c.Unit == "", app:
		return c.Err
	case unstarted:
		return event.Because(unitCode(c.Unit), c.Err)
	}
	return event.Or(unitCode(c.Unit), c.Err)
}

// unitCode is why a unit that ended the task did, when nothing says it better.
func unitCode(u lifecycle.Unit) event.Code {
	switch u {
	case lifecycle.Token:
		return event.Secret
	case lifecycle.ConsulAgent:
		return event.ConsulNotJoined
	case lifecycle.Envoy:
		return event.EnvoyNotReady
	case lifecycle.HealthSync:
		return event.ChecksNotWritten
	case lifecycle.Inbound:
		return event.ListenerCheck
	}
	return event.Register
}

// spentCode is that of a restart budget.
func spentCode(u lifecycle.Unit) event.Code {
	switch u {
	case lifecycle.ConsulAgent:
		return event.ConsulRestartsSpent
	case lifecycle.Envoy:
		return event.EnvoyRestartsSpent
	}
	return event.AppRestartsSpent
}

// appCode is the code of an app that ended by itself, or could not be started.
func (e ending) appCode() int {
	switch {
	case e.app != nil:
		return e.app.Status
	case e.cause.Err != nil:
		return event.Internal.Exit()
	}
	return 0
}
