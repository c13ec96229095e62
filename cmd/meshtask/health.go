package main

import (
	"errors"
	"os"

	"meshtask/internal/dev"
	"meshtask/internal/inspect"
	"meshtask/internal/printable"
	"meshtask/internal/statedir"
)

// runHealth is `meshtask health`: 0 when the task is up and its app healthy,
// else 1 and one line why.
func runHealth(w *world, c call) int {
	if len(c.Rest)+len(c.Cmd) > 0 {
		return w.fail(exitUsage, "health takes no arguments")
	}
	ok, why, err := w.places(c).Health()
	_, several := errors.AsType[*inspect.SeveralError](err)
	switch {
	case several:
		return w.fail(1, "unhealthy: which task is meant? %v", err)
	case err != nil:
		return w.fail(1, "unhealthy: no running task answers: %v", err)
	case ok:
		return 0
	}
	return w.fail(1, "unhealthy: %s", printable.Line(why))
}

// places are the state directories in which a task may be found.
func (w *world) places(c call) inspect.Places {
	p := inspect.Places{Named: w.flag(c, "dir"), Passed: func(s *statedir.StrangeError) { w.warn("passed over: %v", s) }}
	if p.Named == "" {
		p.Dirs, p.Dev = statedir.Candidates("", w.getenv("TMPDIR")), dev.Home(os.TempDir())
	}
	return p
}
