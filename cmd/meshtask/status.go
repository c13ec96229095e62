package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"meshtask/internal/admin"
	"meshtask/internal/printable"
	"meshtask/internal/state"
	"meshtask/internal/task"
)

// runStatus is `meshtask status`: the live state of every unit.
func runStatus(w *world, c call) int {
	text, err := w.status(c)
	if err != nil {
		return w.fail(1, "status: no running task answers: %v", err)
	}
	if c.on("json") {
		return w.print(text)
	}
	var s task.Status
	if err := json.Unmarshal(text, &s); err != nil {
		return w.fail(exitInternal, "status: cannot read the answer: %v", err)
	}
	return w.print([]byte(statusText(s)))
}

// status asks the first task that answers; the error is the first directory's.
func (w *world) status(c call) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	var text []byte
	err := w.ask(c, func(dir string) (err error) {
		text, err = admin.Status(ctx, dir)
		return err
	})
	return text, err
}

func statusText(s task.Status) string {
	safe := printable.Line // a line each, whatever the task says
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
