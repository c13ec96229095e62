package main

import (
	"meshtask/internal/inspect"
	"meshtask/internal/state"
	"meshtask/internal/why"
)

// runWhy is `meshtask why [LOG]`: one cause and one fix, of a task that runs, or of one that
// is gone, from its record or a log.
func runWhy(w *world, c call) int {
	if len(c.Rest) > 1 {
		return w.fail(exitUsage, "why: give at most one file, or - for standard input")
	}
	answer, err := w.why(c)
	if err != nil {
		return w.fail(1, "why: %v", err)
	}
	if c.On("json") {
		return w.printJSON("why", answer)
	}
	return w.print([]byte(why.Text(answer)))
}

// why asks the running task, unless a file is named.
func (w *world) why(c call) (state.Why, error) {
	if len(c.Rest) == 0 {
		answer, dir, err := w.places(c).Why()
		w.found(dir, err)
		return answer, err
	}
	record, err := inspect.File(c.Rest[0], w.stdin)
	if err != nil {
		return state.Why{}, err
	}
	return inspect.Explain(record), nil
}
