package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"meshtask/internal/admin"
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
			fmt.Fprintf(w.stderr, "meshtask: unhealthy: %s\n", why)
			return 1
		case first == nil:
			first = err
		}
	}
	fmt.Fprintf(w.stderr, "meshtask: unhealthy: no running task answers: %v\n", first)
	return 1
}

// dirs are the state directories in which a running task may be found.
func (w *world) dirs(c call) []string {
	return candidates(w.flag(c, "dir"), w.getenv("TMPDIR"))
}
