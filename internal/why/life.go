package why

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

// life is a task's state, as it is judged.
type life struct {
	Facts
	s    *state.State
	last float64 // ms of now, or of the last entry
}

func newLife(f Facts) *life {
	l := &life{Facts: f, s: f.State, last: f.State.Ms}
	if f.Phase != "" && !l.s.Last.IsZero() {
		l.last = max(l.last, l.s.Ms+float64(f.At.Sub(l.s.Last).Microseconds())/1000)
	}
	if l.s.Stopping && l.Phase == "STARTING" { // a task that could not be asked
		l.Phase = "STOPPING"
	}
	return l
}

// symptoms are all that is wrong, what explains the most first; the last one says that
// all is well.
func (l *life) symptoms() []symptom {
	var first, last []symptom
	app, mesh, rest := l.conditions()
	switch {
	case l.Silent != "":
		first = []symptom{{code: event.Silent, text: l.Silent, ms: l.last}}
	case l.s.Finished != nil:
		first, last = l.end(*l.s.Finished), app
		switch {
		case answered(first): // to a stop whose reason may have been what did not hold
			first, last = slices.Concat(l.reason(), app, l.awaited()), first
		case asked(*l.s.Finished) && len(first) == 0:
			first = slices.Concat(l.reason(), app, l.awaited())
		case asked(*l.s.Finished):
			first, last = slices.Concat(app, first, l.reason()), nil
		}
	case l.Phase != "":
		lost, app := split(app, event.LeaseIsLost)
		first = slices.Concat(lost, l.present(), app)
	default:
		first = append(l.broken(), app...)
	}
	restarted, rest := split(rest, event.Restarted)
	all := slices.Concat(first, mesh, l.memory(), l.kills(""), rest, l.unclean(), restarted, last, l.past())
	return append(all, symptom{code: event.OK, ms: l.last})
}

// split parts those of a code from the others.
func split(all []symptom, code event.Code) (of, others []symptom) {
	for _, s := range all {
		if s.code == code {
			of = append(of, s)
		} else {
			others = append(others, s)
		}
	}
	return of, others
}

// reason is why ECS asked for the stop, as far as it was told.
func (l *life) reason() []symptom {
	if r := l.s.StopReason; r != nil {
		return []symptom{{code: r.Code, facts: r.Facts, ms: l.last}}
	}
	return nil
}

// awaited is what the app had not done when the stop began: apps in other containers count as
// up before they are ready.
func (l *life) awaited() (all []symptom) {
	if !l.s.Up {
		return nil
	}
	for _, a := range l.s.AwaitedAtStop {
		if a.Unit == "app" && a.Wait.Code != "" {
			s := waitOf(&state.Unit{Unit: a.Unit}, &a.Wait, "", l.last)
			s.past, s.ends = true, l.s.Finished
			all = append(all, s)
		}
	}
	return all
}

// asked says whether the end was ordered from outside.
func asked(f event.Finish) bool { return slices.Contains([]string{"TERM", "INT", "QUIT"}, f.Cause) }

// answered says whether an end is no more than the app's answer to its stop signal.
func answered(end []symptom) bool {
	return len(end) == 1 && (end[0].code == event.AppWithoutHandler || end[0].code == event.AppAnswered)
}

// judged are the conditions of a task that has been up: those of now, of when its stop began,
// or of where its record breaks off.
func (l *life) judged() (all []state.Condition, now bool) {
	switch {
	case !l.s.Up:
		return nil, false
	case l.Phase == "RUNNING":
		return l.s.Conditions(l.At), true
	case l.s.Stopping:
		return l.s.AtStop, false
	}
	return l.s.Conditions(l.s.Last), false
}

// conditions are those that do not hold: of the app, of what the mesh stands on, and the
// rest.
func (l *life) conditions() (app, mesh, rest []symptom) {
	all, now := l.judged()
	for _, c := range state.Failing(all) {
		ofIt := c.Name != event.CondMemory && c.Name != event.CondStopBudget
		if f := l.s.Finished; f != nil && !asked(*f) && c.Unit == f.Unit && ofIt {
			continue // its end began the stop
		}
		s := symptom{code: c.Code, unit: c.Unit, text: c.Reason, said: c.Reason, facts: c.Facts, ms: l.last, past: !now && c.Code != event.Restarted, ends: l.s.Finished}
		switch c.Name {
		case event.CondAppReady, event.CondAppHealthy, event.CondLeases:
			app = append(app, s)
		case event.CondRegistered, event.CondChecksPassing, event.CondRestarts, event.CondCertificate, event.CondMemory, event.CondStopBudget:
			rest = append(rest, s)
		default:
			if strings.HasPrefix(c.Name, event.CondUpstream) {
				rest = append(rest, s)
			} else {
				mesh = append(mesh, s)
			}
		}
	}
	return app, mesh, rest
}

// end is why it ended. A kill, for want of memory or of time, is why a code is 137.
func (l *life) end(f event.Finish) []symptom {
	asked := asked(f)
	s := symptom{code: f.Why, unit: f.Unit, text: f.Cause, facts: f.Facts, ms: l.last}
	if f.Unit != "" {
		s.text = strings.TrimPrefix(f.Cause, f.Unit+": ")
	}
	s.said = s.text
	switch {
	case f.Code == 0:
		return nil
	case f.Why != "":
		s.unit = cmp.Or(s.unit, ownerOf(f.Code))
		return append(l.memory(), s)
	case asked && l.s.Up:
		s.code, s.unit, s.facts = toldCode(f.Code), "app", event.Facts{"exit": fmt.Sprint(f.Code)}
	case asked:
		return []symptom{l.unstarted()}
	case f.Unit == "app":
		s.code, s.facts = l.appCode(f.Code), event.Facts{event.FactHow: l.how(s.text)}
	case f.Code == event.UnknownCode: // any other refusal has a code
		s.code = event.Usage
	default:
		s.code = event.GaveUp
	}
	if f.Code == 137 {
		return slices.Concat(l.memory(), l.kills("app"), []symptom{s})
	}
	return []symptom{s}
}

// ownerOf is the unit that an exit code of a task's speaks of; "" for none.
func ownerOf(exit int) string {
	return map[int]string{201: "token", 202: "consul-agent", 203: "mesh-init", 204: "envoy", 205: "app", 211: event.Task}[exit]
}

// unstarted is a task that was stopped before it was up.
func (l *life) unstarted() symptom {
	s := symptom{code: event.StoppedBeforeUp, facts: event.Facts{"while": ""}, ms: l.last}
	u := l.pending()
	switch {
	case u == nil || u.Waited == nil:
		return s
	case u.Waited.Code != "":
		return waitOf(u, u.Waited, "", l.last)
	}
	s.unit, s.facts["while"] = u.Unit, ", while "+u.Unit+" waited for "+waitOf(u, u.Waited, "", 0).text
	return s
}

// toldCode is an app's answer to its stop signal.
func toldCode(exit int) event.Code {
	switch exit {
	case 137:
		return event.AppKilled
	case 128 + 2, 128 + 3, 128 + 15:
		return event.AppWithoutHandler
	}
	return event.AppAnswered
}

// appCode is the end that an app has chosen. Where the record has its exit, that tells a
// signal from a code of the same number.
func (l *life) appCode(exit int) event.Code {
	signalled := exit > 128 && exit <= 128+64
	if e := l.s.AppExit; e != nil {
		signalled = e.Signal != ""
	}
	switch {
	case exit == 137:
		return event.AppKilled
	case exit == 127:
		return event.AppShellNotFound
	case exit == 126:
		return event.AppShellNotExecutable
	case slices.Contains([]int{128 + 4, 128 + 6, 128 + 7, 128 + 8, 128 + 11}, exit):
		return event.AppCrashed
	case signalled:
		return event.AppEndedBySignal
	}
	return event.AppFailed
}

// how is the app's end in words; text is those of an older record, which name the process.
func (l *life) how(text string) string {
	if e := l.s.AppExit; e != nil && e.Signal != "" {
		return "was ended by " + e.Signal
	} else if e != nil {
		return fmt.Sprintf("exited with %d", e.Status)
	}
	if _, how, ok := strings.Cut(text, ") "); ok && strings.HasPrefix(text, "app (pid ") {
		return how
	}
	return text
}

// pending is the unit that the way up had come to; the task itself before any.
func (l *life) pending() *state.Unit {
	for _, u := range l.s.Units {
		if !u.Ready && (u.Unit != event.Task || len(l.s.Units) == 1) {
			return u
		}
	}
	return nil
}

// waitOf is a wait as a symptom; code is for one that has none.
func waitOf(u *state.Unit, w *state.Wait, code event.Code, ms float64) symptom {
	text := w.What
	if w.Err != "" {
		text += ": " + w.Err
	}
	return symptom{code: cmp.Or(w.Code, code), unit: u.Unit, text: text, what: w.What, said: w.Err, hint: w.Fix, facts: w.Facts, since: w.Since, ms: ms}
}

// present is the processes that are stopped, the units that wait now, the longest first, and
// those that hang.
func (l *life) present() []symptom {
	var stopped, all, hung []symptom
	for _, u := range l.s.Units {
		if u.Suspended {
			stopped = append(stopped, symptom{code: event.AppSuspended, unit: u.Unit, text: u.LastError, ms: l.last})
		}
		if u.Wait != nil {
			w := waitOf(u, u.Wait, event.Waits, l.last)
			w.now = true
			all = append(all, w)
		}
		if u.Hangs {
			hung = append(hung, symptom{code: event.Hangs, unit: u.Unit, said: u.LastError, ms: l.last})
		}
	}
	slices.SortStableFunc(all, func(a, b symptom) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.unit, b.unit)) })
	return slices.Concat(stopped, all, hung)
}

// broken is a record that stops: the process could not say more.
func (l *life) broken() []symptom {
	if l.s.Last.IsZero() {
		return nil
	}
	if u := l.pending(); u != nil && u.Waited != nil && !l.s.Stopping {
		return []symptom{waitOf(u, u.Waited, event.Waits, l.last)}
	}
	switch {
	case l.s.Stopping:
		return []symptom{{code: event.KilledInItsStop, text: fmt.Sprintf("%.1f s", (l.last-l.s.StopMs)/1000), ms: l.last}}
	case l.s.Up:
		return []symptom{{code: event.TaskKilled, text: "up", ms: l.last}}
	}
	return []symptom{{code: event.TaskKilled, text: "starting", ms: l.last}}
}

// checked are the names of the conditions that hold, or held then.
func (l *life) checked() (names []string) {
	all, _ := l.judged()
	for _, c := range all {
		if c.OK {
			names = append(names, c.Name)
		}
	}
	return names
}

func (l *life) memory() []symptom {
	var all []symptom
	for _, e := range l.s.OOM {
		if oom, ok := e.Event.(event.OutOfMemory); ok {
			unit := cmp.Or(oom.Process, e.Unit)
			all = append(all, symptom{code: ofApp(unit, event.AppOutOfMemory, event.OutOfMemoryKill), unit: unit, ms: e.Ms})
		}
	}
	return all
}

// ofApp is the app's code, or that of any other unit.
func ofApp(unit string, app, other event.Code) event.Code {
	if unit == "app" {
		return app
	}
	return other
}

// kills are those that our own KILL ended, of one unit or of all. The order to kill and
// the unit's own word, which says more, are one.
func (l *life) kills(unit string) []symptom {
	var all []symptom
	for _, e := range l.s.Kills {
		k, ok := e.Event.(event.Killed)
		if !ok || unit != "" && e.Unit != unit {
			continue
		}
		s := symptom{code: ofApp(e.Unit, event.AppKilledAtBudget, event.KilledAtBudget), unit: e.Unit, text: strings.TrimSpace(k.Process + " " + k.When), ms: e.Ms}
		i := slices.IndexFunc(all, func(o symptom) bool { return o.unit == e.Unit })
		if i < 0 {
			all = append(all, s)
		} else if s.text != "" {
			all[i].text = s.text
		}
	}
	for i := range all {
		all[i].text = cmp.Or(all[i].text, "its time was over")
	}
	return all
}

// unclean is what a good end does not have.
func (l *life) unclean() []symptom {
	var all []symptom
	for _, e := range l.s.Unclean {
		s := symptom{unit: e.Unit, ms: e.Ms}
		switch ev := e.Event.(type) {
		case event.Drained:
			s.code, s.text = event.DrainCut, cutOff(ev.End)
		case event.Left:
			s.code, s.said = event.LeaveUnverified, ev.Reason
		case event.Deregistered:
			s.code = event.DeregistrationUnverified
		}
		all = append(all, s)
	}
	return all
}

// cutOff is a number of requests, in words that fit it. Over tcp they are connections.
func cutOff(n int64) string {
	if n == 1 {
		return "1 request or connection was"
	}
	return fmt.Sprintf("%d requests or connections were", n)
}

// past is what has healed. A wait that is over is none: it was the start.
func (l *life) past() []symptom {
	var all []symptom
	if r, ok := l.s.LastRestart.Event.(event.Restart); ok {
		unit := l.s.LastRestart.Unit
		all = append(all, symptom{code: event.Restarted, unit: unit, text: r.Reason, ms: l.s.LastRestart.Ms, facts: r.Facts(l.s.Unit(unit).Restarts)})
	}
	return all
}

// sentence is how it is with the task.
func (l *life) sentence(s symptom) string {
	f := l.s.Finished
	switch {
	case l.Silent != "":
		return "The task does not answer."
	case f != nil && f.Code == event.UnknownCode:
		return "The task did not start."
	case f != nil && !l.begun():
		return fmt.Sprintf("The task did not start: exit %d%s.", f.Code, meaning(f.Code))
	case f != nil:
		return fmt.Sprintf("The task ended with exit %d%s%s.", f.Code, meaning(f.Code), when(l.s.EndAt))
	case l.s.Last.IsZero() && l.Phase == "":
		return "There is no record of a task."
	case l.Phase == "":
		return fmt.Sprintf("The record ends without an exit%s.", when(l.s.Last))
	}
	if s.now {
		awaited := name(s.unit)
		if s.unit == event.Task {
			awaited = "its metadata endpoint"
		}
		return fmt.Sprintf("The task has waited %s for %s.", round(l.At.Sub(s.since)), awaited)
	}
	return fmt.Sprintf("The task is %s, %s after its start.", strings.ToLower(l.Phase), round(time.Duration(l.last*float64(time.Millisecond))))
}

// begun says whether any unit has started, or the task has at least waited for its identity.
func (l *life) begun() bool {
	return l.s.Up || slices.ContainsFunc(l.s.Units, func(u *state.Unit) bool {
		return u.State != state.Waiting || u.Waited != nil
	})
}

func round(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return strings.TrimSuffix(d.Round(time.Second).String(), "0s")
}

func when(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", " + at.UTC().Format("2006-01-02 15:04:05 UTC")
}
