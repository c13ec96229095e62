package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/printable"
	"meshtask/internal/state"
	"meshtask/internal/task"
)

// width is what a line is cut to: it is read in a terminal.
const width = 100

// Text is a task's state for a person to read, safe for a terminal: how it is and why, the
// conditions, the units, and how it would stop.
func Text(s task.Status) string {
	safe := printable.Line // whatever the task says
	var b strings.Builder
	health := "healthy"
	if !s.Healthy {
		health = "not healthy: " + safe(s.Reason)
	}
	b.WriteString(cut(fmt.Sprintf("%s  %s %s  task %s  %s", safe(s.Service), safe(s.State), safe(s.Uptime), safe(s.Task), health)))
	if s.Why.Code != event.OK && s.Why.Cause != "" {
		fmt.Fprintf(&b, "  %s\n", safe(s.Why.Cause))
		if s.Why.Fix != "" {
			fmt.Fprintf(&b, "  Fix: %s\n", safe(s.Why.Fix))
		}
	}
	b.WriteString("\n" + conditions(s.Conditions))
	var units strings.Builder
	t := tabwriter.NewWriter(&units, 0, 0, 2, ' ', 0)
	for _, u := range s.Units {
		fmt.Fprintf(t, " %s\t%s %s\t%s\t%s\n", safe(u.Unit), safe(u.State), age(u.Since), pid(u), safe(u.Last()))
	}
	_ = t.Flush() // into memory
	for line := range strings.Lines(units.String()) {
		b.WriteString(cut(strings.TrimRight(line, " \n")))
	}
	for _, unit := range inOrder(s.Waiting) {
		w := s.Waiting[unit]
		fmt.Fprintf(&b, " %s waits %s for %s: %s (%s)\n", safe(unit), age(w.Since), safe(w.What), safe(w.Err), safe(w.Fix))
	}
	fmt.Fprintf(&b, "\n %s\n", safe(s.Budget))
	return b.String()
}

// conditions are those that do not hold, a line each, and the names of the others.
func conditions(all []state.Condition) string {
	var b strings.Builder
	var good []string
	for _, c := range all {
		if c.OK {
			good = append(good, printable.Line(c.Name))
			continue
		}
		b.WriteString(cut(fmt.Sprintf(" NOT %-24s %-8s %s", printable.Line(c.Name), age(c.Since), printable.Line(c.Reason))))
	}
	line := " ok "
	for i, name := range good {
		if i > 0 && len(line)+len(name) > width-2 {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = "    "
		}
		line += " " + name
	}
	if len(good) > 0 {
		b.WriteString(line + "\n")
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// cut is the line with its end, no longer than a terminal is wide.
func cut(line string) string {
	if r := []rune(line); len(r) > width {
		line = string(r[:width-1]) + "…"
	}
	return line + "\n"
}

func age(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	return time.Since(since).Round(time.Second).String()
}

func pid(u state.Unit) string {
	if u.PID == 0 {
		return ""
	}
	return fmt.Sprintf("pid %d  %d restarts", u.PID, u.Restarts)
}

// inOrder are the units that wait, the longest wait first.
func inOrder(waits map[string]state.Wait) []string {
	return slices.SortedFunc(maps.Keys(waits), func(a, b string) int {
		return cmp.Or(waits[a].Since.Compare(waits[b].Since), cmp.Compare(a, b))
	})
}
