package main

import (
	"fmt"

	"meshtask/internal/install"
)

// runInstall is `meshtask install DIR`: the work of an init container, whose volume the app
// containers mount.
func runInstall(w *world, c call) int {
	if len(c.rest) != 1 || c.rest[0] == "" || len(c.cmd) > 0 {
		return w.fail(exitUsage, "install: name the directory: meshtask install DIR")
	}
	path, err := install.Into(c.rest[0])
	if err != nil {
		return w.fail(exitInternal, "install: %v", err)
	}
	fmt.Fprintln(w.stdout, path)
	return 0
}
