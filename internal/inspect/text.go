package inspect

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"meshtask/internal/event"
	"meshtask/internal/printable"
	"meshtask/internal/state"
	"meshtask/internal/task"
	"meshtask/internal/wrap"
)

// Screen is what a text is made for.
type Screen struct {
	Width  int  // of a line at most, in characters
	Colour bool // with the control sequences of a terminal
}

// Text is a task's state for a person to read, safe for a terminal: how it is and why, the
// conditions, the units, and how it would stop.
func Text(f Found, screen Screen) string {
	v, s := view{Screen: screen}, f.Status
	v.head(f)
	v.conditions(s.Conditions)
	v.units(s)
	v.paragraph(" ", "   ", printable.Line(s.Budget))
	return v.out.String()
}

// Still is a task's state without its times: what it does not tell apart has not changed.
func Still(s Found) string {
	s.Uptime = ""
	s.Conditions, s.Units, s.Waiting = slices.Clone(s.Conditions), slices.Clone(s.Units), maps.Clone(s.Waiting)
	for i := range s.Conditions {
		s.Conditions[i].Since = time.Time{}
	}
	for i := range s.Units {
		s.Units[i].Since = time.Time{}
	}
	for unit, w := range s.Waiting {
		w.Since = time.Time{}
		s.Waiting[unit] = w
	}
	return Text(s, Screen{})
}

// Frame puts a text in the place of the one before it, on a terminal of this height.
func Frame(text string, height int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) >= height {
		lines = lines[:max(1, height-1)]
	}
	return "\x1b[H" + strings.Join(lines, "\x1b[K\n") + "\x1b[K\n\x1b[J"
}

// view is a text as it is made.
type view struct {
	Screen
	out strings.Builder
}

// The colours, as a terminal knows them.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (v *view) paint(colour, text string) string {
	if !v.Colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// head is the state, the health and why; then where the task is.
func (v *view) head(s Found) {
	safe := printable.Line // whatever the task says
	health, colour := "healthy", green
	if !s.Healthy {
		health, colour = "not healthy", red
	}
	name := safe(s.Service)
	if name == "" {
		name = "task " + safe(s.Task)
	}
	first := fmt.Sprintf("%s is %s and %s, after %s", name, safe(s.State), health, safe(s.Uptime))
	if !s.Healthy && s.Reason != "" {
		first += ": " + safe(s.Reason)
	}
	for i, line := range wrap.Lines("", "  ", first, v.Width) {
		if i == 0 {
			line = v.paint(bold, line)
			line = strings.Replace(line, " and "+health, " and "+v.paint(colour, health)+v.resume(), 1)
		}
		v.out.WriteString(line + "\n")
	}
	if s.Why.Code != event.OK && s.Why.Cause != "" {
		v.paragraph("  ", "  ", safe(s.Why.Cause))
		if s.Why.Fix != "" {
			v.paragraph("  Fix: ", "  ", safe(s.Why.Fix))
		}
	}
	var where []string
	for _, p := range [][2]string{{"task", s.Task}, {"at", s.Place.Address}, {"app", s.Place.App}, {"public listener", s.Place.Listener}, {"agent", s.Place.Agent}, {"in", s.Dir}} {
		if p[1] != "" && !(p[0] == "task" && s.Service == "") {
			where = append(where, p[0]+" "+safe(p[1]))
		}
	}
	v.paragraph("  ", "  ", strings.Join(where, ", "))
	v.out.WriteString("\n")
}

// resume goes on in bold after a word that had a colour.
func (v *view) resume() string {
	if v.Colour {
		return "\x1b[" + bold + "m"
	}
	return ""
}

// conditions are those that do not hold, a line each, and the names of the others.
func (v *view) conditions(all []state.Condition) {
	if len(all) == 0 {
		return
	}
	var good []string
	var bad [][]string
	for _, c := range all {
		if c.OK {
			good = append(good, printable.Line(c.Name))
			continue
		}
		bad = append(bad, []string{printable.Line(c.Name), age(c.Since), printable.Line(c.Reason)})
	}
	for _, line := range align(bad) {
		v.out.WriteString(" " + v.paint(red, "NOT ok") + " " + v.cut(line, 8) + "\n")
	}
	if len(good) > 0 {
		lines := wrap.Lines(" ok ", "    ", strings.Join(good, " "), v.Width)
		lines[0] = strings.Replace(lines[0], "ok", v.paint(green, "ok"), 1)
		v.out.WriteString(strings.Join(lines, "\n") + "\n")
	}
	v.out.WriteString("\n")
}

// units are a line each, and below it what one waits for.
func (v *view) units(s task.Status) {
	rows := [][]string{{"unit", "state", "for", "pid", "restarts", "last"}}
	for _, u := range s.Units {
		pid, restarts := "", ""
		if u.PID != 0 {
			pid = fmt.Sprint(u.PID)
		}
		if u.PID != 0 || u.Restarts > 0 {
			restarts = fmt.Sprint(u.Restarts)
		}
		rows = append(rows, []string{printable.Line(u.Unit), printable.Line(u.State), age(u.Since), pid, restarts, last(u)})
	}
	colours := map[string]string{state.Running: green, state.Restarting: red, state.Starting: yellow, state.Stopping: yellow, state.Waiting: yellow}
	waits := maps.Clone(s.Waiting)
	for i, line := range align(rows) {
		line = v.cut(line, 1)
		if i == 0 {
			v.out.WriteString(" " + line + "\n")
			continue
		}
		u := s.Units[i-1]
		if w := printable.Line(u.State); colours[u.State] != "" {
			line = strings.Replace(line, " "+w, " "+v.paint(colours[u.State], w), 1)
		}
		v.out.WriteString(" " + line + "\n")
		if w, ok := waits[u.Unit]; ok {
			v.wait("", w)
			delete(waits, u.Unit)
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(waits)) {
		v.wait(printable.Line(unit)+" ", waits[unit])
	}
	v.out.WriteString("\n")
}

// wait says what is waited for, the error of the last try, and what usually helps.
func (v *view) wait(who string, w state.Wait) {
	safe := printable.Line
	v.paragraph("   ", "     ", who+"waits "+age(w.Since)+" for "+safe(w.What))
	if w.Err != "" {
		v.paragraph("     the last try: ", "     ", safe(w.Err))
	}
	if w.Fix != "" {
		v.paragraph("     what helps: ", "     ", safe(w.Fix))
	}
}

// last is the latest that is known of a unit: why it is not up, why it was restarted, or how
// far it has come.
func last(u state.Unit) string {
	switch {
	case u.State != state.Running && u.LastError != "":
		return printable.Line(u.LastError)
	case u.Restarts > 0 && u.LastError != "":
		return "restarted: " + printable.Line(u.LastError)
	}
	words := map[string]string{"listener": "listener bound", "passing": "checks pass", "critical": "checks critical", "removed": "out of the catalog"}
	if w, ok := words[u.LastStep]; ok {
		return w
	}
	return printable.Line(u.LastStep)
}

// align sets rows in columns; the ends of the lines have no blanks.
func align(rows [][]string) []string {
	var widths []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out []string
	for _, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}

// cut is the line, no longer than the screen is wide behind what stands before it.
func (v *view) cut(line string, before int) string {
	if r := []rune(line); v.Width > 0 && len(r) > v.Width-before {
		return string(r[:v.Width-before-1]) + "…"
	}
	return line
}

func (v *view) paragraph(first, rest, text string) {
	if text != "" {
		v.out.WriteString(strings.Join(wrap.Lines(first, rest, text, v.Width), "\n") + "\n")
	}
}

func age(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	return time.Since(since).Round(time.Second).String()
}
