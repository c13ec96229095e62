// Package drawing shows the measured life of a task: as text for a terminal, and as an SVG
// picture that reads on a light and on a dark page.
//
// It knows entries, and how they look. Where they are from is its caller's.
package drawing

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/printable"
)

// longest bounds the times that are shown, in ms: thirty years.
const longest = 1e12

// maxRows bounds how many units are shown: a record may come from anybody.
const maxRows = 40

// maxPhases bounds how many parts of one unit's life are drawn.
const maxPhases = 400

// kind is how it is with a unit for a while.
type kind int

const (
	starting kind = iota
	up
	down // its process has ended unasked, or does not answer
	stopping
)

// phase is a while of one unit, in ms since the process began.
type phase struct {
	kind     kind
	from, to float64
}

// step is one thing that happened in a unit's life.
type step struct {
	word, way string
	ms        float64
}

// unit is one unit's life; a time of -1 is one that never was, or is not in the record.
type unit struct {
	name                      string
	start, ready, stop, ended float64
	phases                    []phase
	steps                     []step
	kills                     []float64
	waits                     string // for what, the last time that it was told

	now    kind
	exited bool    // its process has, and nothing has come of it yet
	at     float64 // since when it is now so; -1: it has not begun, or has ended
}

// mark is a point of either way that was reached.
type mark struct {
	way, name string
	ms        float64
}

// life is what is shown of a task.
type life struct {
	service  string
	began    time.Time // the process
	units    []*unit
	marks    []mark
	end      float64
	shutdown *event.Shutdown
	stopAt   float64
	finish   *event.Finish
	live     bool

	known map[string]*unit
}

// read folds entries into a life. Of a task that lives, now is the time until which it is shown;
// of one that is gone it is zero.
func read(entries []event.Entry, now time.Time) *life {
	l := &life{stopAt: -1, known: map[string]*unit{}}
	for _, e := range entries {
		e.Ms = within(e.Ms)
		if l.began.IsZero() && !e.At.IsZero() {
			l.began = e.At.Add(-time.Duration(e.Ms * float64(time.Millisecond)))
		}
		l.end = max(l.end, e.Ms)
		if e.Unit == event.Task {
			l.task(e)
		} else {
			l.unit(e.Unit).apply(e)
		}
		if r, ok := e.Event.(event.Registered); ok && r.Service != "" {
			l.service = clip(printable.Line(r.Service), 64)
		}
	}
	if l.live = !now.IsZero() && l.finish == nil; l.live {
		l.end = within(max(l.end, float64(now.Sub(l.began))/float64(time.Millisecond)))
	}
	for _, u := range l.units {
		u.close(l.end)
	}
	// A log may have left the start out, and speaks of units that never began.
	l.units = slices.DeleteFunc(l.units, func(u *unit) bool { return u.start < 0 && u.ready < 0 && u.ended < 0 })
	return l
}

func within(ms float64) float64 {
	if math.IsNaN(ms) {
		return 0
	}
	return min(max(0, ms), longest)
}

func (l *life) unit(name string) *unit {
	name = printable.Line(name)
	if u := l.known[name]; u != nil {
		return u
	}
	u := &unit{name: name, start: -1, ready: -1, stop: -1, ended: -1, at: -1}
	l.units, l.known[name] = append(l.units, u), u
	return u
}

// task takes what is said of the whole task. A mark counts once.
func (l *life) task(e event.Entry) {
	switch ev := e.Event.(type) {
	case event.Mark:
		name := cmp.Or(ev.Name, e.Mark)
		known := slices.Contains([]string{"T0", "T1", "T2", "T3", "T4"}, name)
		if known && l.mark(e.Way, name) < 0 {
			l.marks = append(l.marks, mark{e.Way, name, e.Ms})
		}
	case event.Shutdown:
		if l.shutdown == nil {
			l.shutdown, l.stopAt = &ev, e.Ms
		}
	case event.Finish:
		if l.finish == nil {
			l.finish = &ev
		}
	}
}

// mark is when a mark was reached; -1: never.
func (l *life) mark(way, name string) float64 {
	for _, m := range l.marks {
		if m.way == way && m.name == name {
			return m.ms
		}
	}
	return -1
}

// zero is the T0 of a way, from which its times are counted.
func (l *life) zero(way string) float64 {
	if at := l.mark(way, "T0"); at >= 0 {
		return at
	}
	if way == event.Down {
		return max(0, l.stopAt)
	}
	return 0
}

// apply folds one event of the unit in.
func (u *unit) apply(e event.Entry) {
	switch e.Event.(type) {
	case event.Start:
		u.start = first(u.start, e.Ms)
		u.enter(starting, e.Ms)
	case event.Ready:
		u.ready = first(u.ready, e.Ms)
		u.enter(up, e.Ms)
	case event.Exit, event.Restart, event.Hung, event.Suspended:
		_, u.exited = e.Event.(event.Exit)
		if u.at >= 0 && u.now == up {
			u.enter(down, e.Ms)
		}
	case event.Serving, event.Answers, event.Resumed:
		if u.at >= 0 && u.now == down {
			u.enter(up, e.Ms)
		}
	case event.Stop:
		u.stop = first(u.stop, e.Ms)
		if u.at >= 0 {
			u.enter(stopping, e.Ms)
		}
	case event.Killed:
		u.kills = append(u.kills, e.Ms)
	case event.Ended:
		u.ended = e.Ms
		if !u.exited || u.now != down { // else its exit was its end
			u.close(e.Ms)
		}
		u.at = -1
	case event.WaitOver:
		return
	}
	if w, ok := e.Event.(event.Waiting); ok { // the same one is told again and again
		if u.waits == w.What {
			return
		}
		u.waits = w.What
	}
	if word := said(e.Event); word != "" {
		u.steps = append(u.steps, step{word, e.Way, e.Ms})
	}
}

// enter ends one phase and begins another.
func (u *unit) enter(k kind, ms float64) {
	if u.at >= 0 && u.now == k {
		return
	}
	u.close(ms)
	u.now, u.at = k, ms
}

// close ends the phase that is open.
func (u *unit) close(ms float64) {
	if u.at >= 0 && ms > u.at {
		u.phases = append(u.phases, phase{u.now, u.at, ms})
	}
}

func first(was, now float64) float64 {
	if was >= 0 {
		return was
	}
	return now
}

// said is the word for what happened; "": it is told by the unit's own four times, or by
// another word.
func said(e event.Event) string {
	switch ev := e.(type) {
	case event.Start, event.Ready, event.Stop, event.Ended, event.Exec, event.Exit:
		return ""
	case event.Serving:
		if !ev.Again {
			return ""
		}
		return "up again"
	case event.Waiting:
		return "waits for " + clip(printable.Line(ev.What), 60)
	case event.Condition:
		if ev.OK {
			return printable.Line(ev.Name) + " ok"
		}
		return printable.Line(ev.Name) + " not ok"
	}
	word, detail, _ := event.Words(e)
	if word == "step" {
		word = detail
	}
	return printable.Line(word)
}

// headline says in one line how the life went.
func (l *life) headline() string {
	var parts []string
	up, zero, end := l.mark(event.Up, "T2"), l.zero(event.Up), first(l.stopAt, l.end)
	stopped, cause := l.stopAt >= 0, ""
	if stopped && l.shutdown.Cause != "" {
		cause = " (" + clip(printable.Line(l.shutdown.Cause), 60) + ")"
	}
	switch {
	case up >= 0 && l.mark(event.Up, "T0") >= 0:
		parts = append(parts, "up in "+span(up-zero))
	case up >= 0:
		parts = append(parts, "up")
	case l.live && !stopped:
		parts = append(parts, "starting for "+span(l.end-zero))
	default:
		parts = append(parts, "never up: it tried for "+span(end-zero))
	}
	if up >= 0 && end > up {
		word := "ran "
		if l.live && !stopped {
			word = "runs for "
		}
		parts = append(parts, word+span(end-up))
	}
	if stopped {
		word := "stopped in "
		if l.live {
			word = "stopping for "
		}
		parts = append(parts, word+span(l.end-l.stopAt)+cause)
	}
	if f := l.finish; f != nil && f.Code != event.UnknownCode {
		parts = append(parts, fmt.Sprintf("exit %d", f.Code))
	} else if !l.live && f == nil {
		parts = append(parts, "the record breaks off")
	}
	return strings.Join(parts, ", ")
}

// meaning is what a mark stands for (lifecycle.Marker), in a life of these units.
func (l *life) meaning(way, name string) string {
	has := func(name string) bool {
		return slices.ContainsFunc(l.units, func(u *unit) bool { return u.name == name })
	}
	switch way + name {
	case event.Up + "T0":
		return "the first unit starts"
	case event.Up + "T1":
		return "the service is registered, Envoy starts"
	case event.Up + "T2":
		switch {
		case !has("envoy"):
			return "the app is started"
		case l.mark(event.Up, "T2") < l.unit0("app"):
			return "Envoy serves"
		}
		return "Envoy serves, the app is started"
	case event.Down + "T0":
		return "the stop begins"
	case event.Down + "T1":
		return "the app and Envoy have ended"
	case event.Down + "T2":
		return "the Consul agent has ended"
	case event.Down + "T3":
		return "everything has ended"
	}
	return "the stop budget is spent"
}

// unit0 is when a unit was started; at the end of all time, where it was not.
func (l *life) unit0(name string) float64 {
	for _, u := range l.units {
		if u.name == name && u.start >= 0 {
			return u.start
		}
	}
	return longest
}

// span is a length of time in ms, for a reader.
func span(ms float64) string {
	d := time.Duration(within(ms) * float64(time.Millisecond))
	switch {
	case ms < 0.05:
		return "0 ms"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", ms)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", ms)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// clip is s with at most n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
