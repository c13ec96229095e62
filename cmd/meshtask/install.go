package main

import (
	"context"
	"fmt"
	"time"

	"meshtask/internal/ecs"
	"meshtask/internal/install"
	"meshtask/internal/printable"
)

// runInstall is `meshtask install DIR`: the work of an init container, whose volume the app
// containers mount.
func runInstall(w *world, c call) int {
	if len(c.rest) != 1 || c.rest[0] == "" || len(c.cmd) > 0 {
		return w.fail(exitUsage, "install: name the directory: meshtask install DIR")
	}
	path, err := install.Into(c.rest[0])
	if err != nil {
		return w.fail(exitInternal, "install: %s%v", w.container(), err)
	}
	fmt.Fprintln(w.stdout, path)
	return 0
}

// container names the container that this is, where ECS says it: a log may hold those of all.
func (w *world) container() string {
	client, err := ecs.New(w.getenv("ECS_CONTAINER_METADATA_URI_V4"))
	if err != nil || client == nil {
		return ""
	}
	defer client.Close()
	ctx, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	own, err := client.Own(ctx)
	if err != nil {
		return ""
	}
	return "container " + printable.Line(own.Name) + ": "
}
