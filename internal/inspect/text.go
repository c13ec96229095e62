package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"meshtask/internal/printable"
	"meshtask/internal/state"
	"meshtask/internal/task"
)

// Text is a task's state for a person to read, a line each, safe for a terminal.
func Text(s task.Status) string {
	safe := printable.Line // whatever the task says
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s %s   task %s   %s\n", safe(s.Service), safe(s.State), safe(s.Uptime), safe(s.Task), safe(s.Budget))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, u := range s.Units {
		fmt.Fprintf(t, " %s\t%s %s\t%s\t%s\n", safe(u.Unit), safe(u.State), age(u.Since), pid(u), safe(u.Last()))
	}
	_ = t.Flush() // into memory
	for _, unit := range inOrder(s.Waiting) {
		w := s.Waiting[unit]
		fmt.Fprintf(&b, " %s waits %s for %s: %s %s\n", safe(unit), age(w.Since), safe(w.What), safe(w.Err), safe(w.Fix))
	}
	return b.String()
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
