package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"meshtask/internal/journal"
	"meshtask/internal/state"
	"meshtask/internal/statedir"
	"meshtask/internal/task"
	"meshtask/internal/why"
)

// runWhy is `meshtask why [LOG]`: one cause and one fix, of a task that runs, or of one that
// is gone, from its record or a log.
func runWhy(w *world, c call) int {
	if len(c.rest) > 1 {
		return w.fail(exitUsage, "why: give at most one file, or - for standard input")
	}
	answer, err := w.why(c)
	if err != nil {
		return w.fail(1, "why: %v", err)
	}
	if !c.on("json") {
		return w.print([]byte(why.Text(answer)))
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return w.fail(exitInternal, "why: %v", err)
	}
	return w.print(append(text, '\n'))
}

// why asks the running task, unless a file is named. Where none runs, what it said at its end
// counts, else its record.
func (w *world) why(c call) (state.Why, error) {
	var silent string
	if len(c.rest) == 0 {
		text, err := w.status(c)
		if err == nil {
			var s task.Status
			err := json.Unmarshal(text, &s)
			return s.Why, err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			silent = err.Error()
		}
	}
	record, held, err := w.recorded(c)
	if err != nil {
		return state.Why{}, err
	}
	if said := record.Why; said != nil && !held {
		said.Note = record.Note()
		return *said, nil
	}
	f := why.Facts{State: state.Of(record.Entries), Note: record.Note(), Silent: silent, At: time.Now()}
	if held { // it answers no sooner than it knows who it is
		f.Phase = "STARTING"
	}
	return why.Explain(f), nil
}

// summary is what a task that is gone said of itself at its end; nil: nothing.
func summaryWhy(dir string) *state.Why {
	f, err := statedir.Read(dir, journal.SummaryFile)
	if err != nil {
		return nil
	}
	defer f.Close()
	var s state.Summary
	if json.NewDecoder(f).Decode(&s) != nil {
		return nil
	}
	return s.Why
}
