package main

import (
	"context"
	"errors"
	"time"

	"meshtask/internal/admin"
	"meshtask/internal/printable"
	"meshtask/internal/statedir"
)

// askLimit bounds what the asking commands take, all tried directories
// together: a wedged task is an answer too (CONTRACT §1).
const askLimit = 1800 * time.Millisecond

// runHealth is `meshtask health`: 0 when the task is up and its app healthy,
// else 1 and one line why.
func runHealth(w *world, c call) int {
	if len(c.rest)+len(c.cmd) > 0 {
		return w.fail(exitUsage, "health takes no arguments")
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	var ok bool
	var why string
	err := w.ask(c, func(dir string) (err error) {
		ok, why, err = admin.Health(ctx, dir)
		return err
	})
	switch {
	case err != nil:
		return w.fail(1, "unhealthy: no running task answers: %v", err)
	case ok:
		return 0
	}
	return w.fail(1, "unhealthy: %s", printable.Line(why))
}

// ask tries the state directories until one answers; the error is the first one's. One that
// is a stranger's is passed over, and named.
func (w *world) ask(c call, try func(dir string) error) error {
	var first error
	dirs := w.dirs(c)
	for _, dir := range dirs {
		err := try(dir)
		if err == nil {
			return nil
		}
		if s, ok := errors.AsType[*statedir.StrangeError](err); ok && len(dirs) > 1 {
			w.warn("passed over: %v", s)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// dirs are the state directories in which a running task may be found.
func (w *world) dirs(c call) []string {
	return statedir.Candidates(w.flag(c, "dir"), w.getenv("TMPDIR"))
}
