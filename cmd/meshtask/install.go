package main

import (
	"fmt"

	"meshtask/internal/ecs"
	"meshtask/internal/install"
	"meshtask/internal/printable"
)

// runInstall is `meshtask install DIR`: the work of an init container, whose volume the app
// containers mount.
func runInstall(w *world, c call) int {
	if len(c.Rest) != 1 || c.Rest[0] == "" || len(c.Cmd) > 0 {
		return w.fail(exitUsage, "install: name the directory: meshtask install DIR")
	}
	path, err := install.Into(c.Rest[0])
	if err != nil {
		of := "" // a log may hold the lines of all containers
		if name := ecs.OwnName(w.getenv("ECS_CONTAINER_METADATA_URI_V4")); name != "" {
			of = "container " + printable.Line(name) + ": "
		}
		return w.fail(exitInternal, "install: %s%v", of, err)
	}
	fmt.Fprintln(w.stdout, path)
	return 0
}
