package main

import (
	"context"
	"path/filepath"
	"time"

	"meshtask/internal/admin"
	"meshtask/internal/printable"
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
	var first error
	for _, dir := range w.dirs(c) {
		ok, why, err := admin.Health(ctx, filepath.Join(dir, "admin.sock"))
		switch {
		case err == nil && ok:
			return 0
		case err == nil:
			return w.fail(1, "unhealthy: %s", printable.Line(why))
		case first == nil:
			first = err
		}
	}
	return w.fail(1, "unhealthy: no running task answers: %v", first)
}

// dirs are the state directories in which a running task may be found.
func (w *world) dirs(c call) []string {
	return candidates(w.flag(c, "dir"), w.getenv("TMPDIR"))
}
