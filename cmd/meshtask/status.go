package main

import (
	"encoding/json"

	"meshtask/internal/inspect"
	"meshtask/internal/task"
)

// runStatus is `meshtask status`: the live state of every unit.
func runStatus(w *world, c call) int {
	text, err := w.places(c).Status()
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
	return w.print([]byte(inspect.Text(s)))
}
