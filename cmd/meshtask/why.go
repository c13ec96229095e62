package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"meshtask/internal/why"
)

// runWhy is `meshtask why [LOG]`: one cause and one fix, of a task that runs, or of one that
// is gone, from its timeline or a log.
func runWhy(w *world, c call) int {
	if len(c.rest) > 1 {
		return w.fail(exitUsage, "why: want at most one file, or -")
	}
	f, err := w.facts(c)
	if err != nil {
		return w.fail(1, "why: %v", err)
	}
	answer := why.Explain(f)
	if !c.on("json") {
		return w.print([]byte(answer.String()))
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return w.fail(exitInternal, "why: %v", err)
	}
	return w.print(append(text, '\n'))
}

// facts asks the running task, unless a file is named; where none runs its record answers.
func (w *world) facts(c call) (why.Facts, error) {
	var silent string
	if len(c.rest) == 0 {
		text, err := w.status(c)
		if err == nil {
			return liveFacts(text)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			silent = err.Error()
		}
	}
	record, held, err := w.recorded(c)
	f := why.Facts{Entries: record.Entries, Note: record.Note(), Silent: silent, At: time.Now()}
	if held { // it answers no sooner than it knows who it is
		f.State = "STARTING"
	}
	return f, err
}

// liveFacts reads what a task says of itself.
func liveFacts(text []byte) (why.Facts, error) {
	var s status
	if err := json.Unmarshal(text, &s); err != nil {
		return why.Facts{}, err
	}
	f := why.Facts{Entries: s.Timeline, State: s.State, At: time.Now(), Waits: map[string]why.Wait{}}
	for unit, x := range s.Waiting {
		f.Waits[unit] = why.Wait{What: x.What, Since: x.Since, Err: x.Err, Hint: x.Hint}
	}
	return f, nil
}
