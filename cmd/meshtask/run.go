package main

import (
	"cmp"
	"fmt"
	"net"
	"time"

	"meshtask/internal/config"
	"meshtask/internal/journal"
	"meshtask/internal/linewriter"
)

// flushLimit bounds how long a slow log reader may hold up the exit.
const flushLimit = 100 * time.Millisecond

// runTask is `meshtask run`.
func runTask(w *world, c call) int {
	if len(c.rest) > 0 {
		return w.fail(exitUsage, "run: unexpected argument %q (the command goes after --)", c.rest[0])
	}
	mode := c.mode()
	switch {
	case c.on("no-mesh") && c.on("job"):
		return w.fail(exitUsage, "run: --no-mesh and --job exclude each other")
	case c.on("no-mesh"):
		mode = config.NoMesh
	}
	t, code := w.task("run", mode, c)
	if t == nil {
		return code
	}
	defer t.out.Close(flushLimit)
	return t.live()
}

// runApp is `meshtask app`.
func runApp(w *world, c call) int {
	if len(c.rest) > 0 {
		return w.fail(exitUsage, "app: unexpected argument %q (the command goes after --)", c.rest[0])
	}
	t, code := w.task("app", config.Sibling, c)
	if t == nil {
		return code
	}
	defer t.out.Close(flushLimit)
	t.meshAddr = cmp.Or(w.flag(c, "mesh"), defaultMesh)
	if host, port, err := net.SplitHostPort(t.meshAddr); err != nil || host == "" || port == "" {
		return w.fail(exitConfig, "%s: must be HOST:PORT, got %q", w.source(c, "mesh"), t.meshAddr)
	}
	text := cmp.Or(w.flag(c, "wait"), "5m")
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 {
		return w.fail(exitConfig, "%s: must be a duration such as 5m, got %q", w.source(c, "wait"), text)
	}
	t.meshWait = wait
	return t.live()
}

// defaultMesh is where `meshtask run` without a command listens by default.
const defaultMesh = "127.0.0.1:9902"

// task makes a task of its configuration; nil with an exit code when it is bad.
func (w *world) task(name string, mode config.Mode, c call) (*task, int) {
	cfg, warnings, err := w.config(mode, c)
	if err != nil {
		return nil, w.refuse(mode, c, exitConfig, "%v", err)
	}
	if len(cfg.App.Command) == 0 && mode != config.Run {
		return nil, w.refuse(mode, c, exitUsage, "%s: a command is needed: meshtask %s [flags] -- CMD ARG…", name, name)
	}
	out := linewriter.New(w.stderr)
	t := &task{w: w, cfg: cfg, log: w.logger(cfg.Log, out), out: out, hurry: make(chan struct{}, 3), summary: journal.NewSummary()}
	for _, warn := range warnings {
		t.log.Warn("configuration", "path", warn.Path, "warning", warn.Text)
	}
	return t, 0
}

// config reads the configuration from everywhere it may come from.
func (w *world) config(mode config.Mode, c call) (*config.Config, []config.Finding, error) {
	s := config.Sources{Mode: mode, Name: w.flag(c, "config"), Command: c.cmd, Flags: c.set, Env: w.lookup, AgentKeys: agentKeys()}
	if s.File = c.doc; s.Name != "" && c.doc == nil {
		text, err := w.readFile(s.Name, config.MaxDocument)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", w.source(c, "config"), err)
		}
		s.File = text
	}
	return config.Load(s)
}
