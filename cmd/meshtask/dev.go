package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"meshtask/internal/config"
	"meshtask/internal/dev"
	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/internal/task"
)

// runDev is `meshtask dev`: a task on a laptop or in CI. What ECS would give is made by package
// dev; from there on it is `meshtask run`.
func runDev(w *world, c call) int {
	if len(c.Cmd) == 0 {
		return w.fail(exitUsage, "dev: a command is needed: meshtask dev [flags] -- CMD ARG…")
	}
	if c.On("no-mesh") {
		return w.fail(exitUsage, "dev: --no-mesh needs nothing of what dev makes: meshtask run --no-mesh -- CMD")
	}
	var s *dev.Setup
	asked, err := devAsked(w, c)
	if err == nil {
		s, err = dev.Choose(context.Background(), asked)
	}
	if err != nil && asked.Dir == "" { // a directory that nobody has named has no record of an earlier run
		return w.giveUp(c, exitConfig, event.Or(event.ConfigBad, fmt.Errorf("dev: %w", err)))
	}
	if err != nil {
		return w.refuse(c.mode(), c, fmt.Errorf("dev: %w", err))
	}
	defer s.Close()
	c.doc, c.Set["dir"], c.Set["config"] = s.Document, s.Dir, w.documentName(c)
	if asked.Server != "" && !s.Task.Agentless { // it wins over the configuration's
		c.Set["retry-join"] = s.Task.Server
	}
	w.env = plan.Merge(w.env, "ECS_CONTAINER_METADATA_URI_V4="+s.Metadata)
	return w.runMode("dev", c.mode(), c, extras{
		before: func(ctx context.Context, t task.Tools) (func(), error) {
			s.Tell(t)
			return s.Start(ctx, t, plan.ConsulFree(w.env))
		},
	})
}

// documentName is what messages call the configuration that the user has given; "": none.
func (w *world) documentName(c call) string {
	if name := w.flag(c, "config"); name != "" || w.getenv("MESHTASK_CONFIG_JSON") == "" {
		return name
	}
	return "MESHTASK_CONFIG_JSON"
}

// devAsked is what flags and variables ask for.
func devAsked(w *world, c call) (dev.Asked, error) {
	a := dev.Asked{Command: c.Cmd[0], Document: []byte(w.getenv("MESHTASK_CONFIG_JSON")), Service: w.flag(c, "service"),
		Agentless: c.On("agentless"), Joins: w.flag(c, "retry-join") != "", Server: w.flag(c, "server"), Dir: w.flag(c, "dir"), Temp: os.TempDir()}
	var err error
	if name := w.flag(c, "config"); name != "" {
		if a.Document, err = w.readFile(name, config.MaxDocument); err != nil {
			return a, fmt.Errorf("%s: %w", w.source(c, "config"), err)
		}
	}
	if len(a.Document) > 0 && !json.Valid(a.Document) { // the contract's reader says where
		c.doc, c.Set = a.Document, map[string]string{"config": w.documentName(c)}
		if _, _, err := w.config(c.mode(), c); err != nil {
			return a, err
		}
	}
	if a.Agentless && a.Joins {
		return a, fmt.Errorf("%s: with --agentless there is no agent that joins: name a server by --server", w.source(c, "retry-join"))
	}
	if a.Server != "" {
		if a.Server, err = dev.ServerHost(a.Server); err != nil {
			return a, fmt.Errorf("%s: %w", w.source(c, "server"), err)
		}
	}
	if text := w.flag(c, "port"); text != "" {
		if a.Port, err = strconv.Atoi(text); err != nil || a.Port < 1 || a.Port > 65535 {
			return a, fmt.Errorf("%s: must be a number from 1 to 65535, got %q", w.source(c, "port"), text)
		}
	}
	return a, nil
}
