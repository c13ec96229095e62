package why

import (
	"cmp"
	"fmt"
	"regexp"
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
	var all []symptom
	switch {
	case l.Silent != "":
		all = []symptom{{kind: silent, text: l.Silent, ms: l.last}}
	case l.s.Finished != nil:
		all = l.end(*l.s.Finished)
	case l.Phase != "":
		all = l.present()
	default:
		all = l.broken()
	}
	all = slices.Concat(all, l.memory(), l.kills(""), l.unclean(), l.past())
	return append(all, symptom{kind: fine, text: l.Phase, ms: l.last})
}

// ownEnd is the reason of an end that the app chose.
const ownEnd = `^(app: )?app \(pid \d+\) `

// end is why it ended. A kill, for want of memory or of time, is why a code is 137.
func (l *life) end(f event.Finish) []symptom {
	asked := slices.Contains([]string{"TERM", "INT", "QUIT"}, f.Cause)
	s := symptom{code: f.Code, unit: f.Unit, text: f.Cause, why: f.Why, facts: f.Facts, ms: l.last}
	if f.Unit != "" {
		s.text = strings.TrimPrefix(f.Cause, f.Unit+": ")
	}
	switch {
	case f.Code == 0:
		return nil
	case asked && l.s.Up:
		s.kind, s.unit = told, "app"
	case asked:
		s.kind, s.unit, s.text = unstarted, "", ""
		if u := l.pending(); u != nil && u.Waited != nil {
			s = waitOf(u, u.Waited, unstarted, l.last)
		}
	case f.Why == "" && regexp.MustCompile(ownEnd).MatchString(f.Cause):
		s.kind, s.unit = byItself, "app"
	default:
		s.kind = gaveUp
		if s.unit == "" {
			s.unit = map[int]string{201: "token", 202: "consul-agent", 203: "mesh-init", 204: "envoy", 205: "app", 211: event.Task}[s.code]
		}
		return append(l.memory(), s)
	}
	if f.Code == 137 {
		return slices.Concat(l.memory(), l.kills("app"), []symptom{s})
	}
	return []symptom{s}
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

// waitOf is a wait as a symptom.
func waitOf(u *state.Unit, w *state.Wait, k kind, ms float64) symptom {
	text := w.What
	if w.Err != "" {
		text += ": " + w.Err
	}
	return symptom{kind: k, unit: u.Unit, text: text, hint: w.Fix, why: w.Code, facts: w.Facts, since: w.Since, ms: ms}
}

// present is who waits now, the longest first.
func (l *life) present() []symptom {
	var all []symptom
	for _, u := range l.s.Units {
		if u.Wait != nil {
			all = append(all, waitOf(u, u.Wait, waiting, l.last))
		}
	}
	slices.SortStableFunc(all, func(a, b symptom) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.unit, b.unit)) })
	return all
}

// broken is a record that stops: the process could not say more.
func (l *life) broken() []symptom {
	if l.s.Last.IsZero() {
		return nil
	}
	if u := l.pending(); u != nil && u.Waited != nil && !l.s.Stopping {
		return []symptom{waitOf(u, u.Waited, waiting, l.last)}
	}
	word := "up"
	if l.s.Stopping {
		word = fmt.Sprintf("stopping for %.1f s", (l.last-l.s.StopMs)/1000)
	} else if !l.s.Up {
		word = "starting"
	}
	return []symptom{{kind: cutOff, text: word, ms: l.last}}
}

func (l *life) memory() []symptom {
	var all []symptom
	for _, e := range l.s.OOM {
		if oom, ok := e.Event.(event.OutOfMemory); ok {
			all = append(all, symptom{kind: outOfMemory, unit: cmp.Or(oom.Process, e.Unit), ms: e.Ms})
		}
	}
	return all
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
		s := symptom{kind: killed, unit: e.Unit, text: strings.TrimSpace(k.Process + " " + k.When), ms: e.Ms}
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
		s := symptom{kind: stays, unit: e.Unit, ms: e.Ms}
		switch ev := e.Event.(type) {
		case event.Drained:
			s.kind, s.text = cut, fmt.Sprint(ev.End)
		case event.Left:
			s.text = "left"
			if ev.Reason != "" {
				s.text += ": " + ev.Reason
			}
		case event.Deregistered:
			s.text = "deregistered"
		}
		all = append(all, s)
	}
	return all
}

// past is what has healed.
func (l *life) past() []symptom {
	var all []symptom
	if r, ok := l.s.LastRestart.Event.(event.Restart); ok {
		all = append(all, symptom{kind: restarted, code: l.s.Restarts, unit: l.s.LastRestart.Unit, text: r.Reason, ms: l.s.LastRestart.Ms})
	}
	for _, u := range l.s.Units {
		if u.Waited != nil && u.Unit != event.Task {
			all = append(all, waitOf(u, u.Waited, waited, l.last))
		}
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
	case f != nil:
		return fmt.Sprintf("The task ended with exit %d (%s)%s.", f.Code, meaning(f.Code), when(l.s.EndAt))
	case l.s.Last.IsZero() && l.Phase == "":
		return "There is no record of a task."
	case l.Phase == "":
		return fmt.Sprintf("The record ends without an exit%s.", when(l.s.Last))
	}
	if s.kind == waiting {
		whom := s.unit
		if whom == event.Task {
			whom = "its metadata endpoint"
		}
		return fmt.Sprintf("The task has waited %s for %s.", round(l.At.Sub(s.since)), whom)
	}
	return fmt.Sprintf("The task is %s, %s after its start.", strings.ToLower(l.Phase), round(time.Duration(l.last*float64(time.Millisecond))))
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
