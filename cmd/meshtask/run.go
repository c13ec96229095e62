package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"meshtask/consulagent"
	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/footprint"
	"meshtask/internal/journal"
	"meshtask/internal/linewriter"
	"meshtask/internal/plan"
	"meshtask/internal/statedir"
	"meshtask/internal/task"
)

// flushLimit bounds how long a slow log reader may hold up the exit.
const flushLimit = 100 * time.Millisecond

// runTask is `meshtask run`.
func runTask(w *world, c call) int {
	if code := w.misused("run", c); code != 0 {
		return code
	}
	return w.runMode("run", c.mode(), c, extras{})
}

// misused refuses what run, and so plan, does not take: the exit code, 0 for a line that is good.
func (w *world) misused(name string, c call) int {
	if c.On("no-mesh") && c.On("job") {
		return w.fail(exitUsage, "%s: --no-mesh and --job exclude each other", name)
	}
	return 0
}

// runApp is `meshtask app`.
func runApp(w *world, c call) int {
	l := plan.Lease{Address: cmp.Or(w.flag(c, "mesh"), defaultMesh)}
	if host, port, err := net.SplitHostPort(l.Address); err != nil || host == "" || port == "" {
		return w.refuse(config.Sibling, c, event.Because(event.ConfigBad, fmt.Errorf("%s: must be HOST:PORT, got %q", w.source(c, "mesh"), l.Address)))
	}
	text := cmp.Or(w.flag(c, "wait"), "5m")
	var err error
	if l.Wait, err = time.ParseDuration(text); err != nil || l.Wait < 0 {
		return w.refuse(config.Sibling, c, event.Because(event.ConfigBad, fmt.Errorf("%s: must be a duration such as 5m, got %q", w.source(c, "wait"), text)))
	}
	return w.runMode("app", config.Sibling, c, extras{lease: &l})
}

// defaultMesh is where `meshtask run` without a command listens by default.
const defaultMesh = "127.0.0.1:9902"

// extras are what a command adds to a run.
type extras struct {
	lease  *plan.Lease                                                     // of app
	before func(ctx context.Context, t task.Tools) (end func(), err error) // of dev
}

// runMode reads the configuration, runs the task and returns its exit code.
func (w *world) runMode(name string, mode config.Mode, c call, x extras) int {
	cfg, warnings, err := w.config(mode, c)
	if err != nil {
		return w.refuse(mode, c, err)
	}
	if len(cfg.App.Command) == 0 && mode != config.Run {
		return w.refuse(mode, c, event.Because(event.Usage, fmt.Errorf("%s: a command is needed: meshtask %s [flags] -- CMD ARG…", name, name)))
	}
	out := linewriter.New(w.stderr)
	defer out.Close(flushLimit)
	log := w.logger(cfg.Log, out)
	for _, warn := range warnings {
		log.Warn("configuration", "path", warn.Path, "warning", warn.Text)
	}
	d := task.Deps{Begin: w.begin, Version: version, Env: w.env, Stdin: w.stdin, Stdout: w.stdout, Stderr: w.stderr, Signals: w.signals, Relayed: w.relayed,
		Children: w.chld, Kind: plan.KindOf(mode), StopOn: plan.StopOn(cfg), Metadata: w.getenv("ECS_CONTAINER_METADATA_URI_V4"), Local: ecs.LocalNamed(cfg.Task.ID),
		Log: log, JSON: cfg.Log.Format == "json", Out: out, AtRest: footprint.Rest, Before: x.before}
	if mode.Mesh() || cfg.Dir != "" {
		passed := func(err error) { log.Warn("a state directory is passed over", "error", err) }
		if d.Dir, err = statedir.Open(statedir.Candidates(cfg.Dir, w.getenv("TMPDIR")), passed); err != nil {
			return w.giveUp(c, exitInternal, event.Because(directoryCode(err), err))
		}
		defer d.Dir.Close()
	}
	ended := task.Run(context.Background(), func(id ecs.Identity) (*plan.Plan, error) {
		p, err := plan.New(cfg, id)
		if err == nil && x.lease != nil {
			p.Lease = x.lease
		}
		return p, err
	}, d)
	if ended.Err != nil && !ended.Started {
		return w.giveUp(c, ended.Code, ended.Err)
	}
	return ended.Code
}

// config reads the configuration from everywhere it may come from.
func (w *world) config(mode config.Mode, c call) (*config.Config, []config.Finding, error) {
	s, err := w.sources(mode, c)
	if err != nil {
		return nil, nil, event.Because(event.ConfigBad, fmt.Errorf("%s: %w", w.source(c, "config"), err))
	}
	return config.Load(s)
}

// sources is all that a configuration is made of; an error is of the file that --config names.
func (w *world) sources(mode config.Mode, c call) (s config.Sources, err error) {
	s = config.Sources{Mode: mode, Name: w.flag(c, "config"), Command: c.Cmd, Flags: c.Set, Env: w.lookup, AgentKeys: consulagent.EmittedKeys()}
	if s.File = c.doc; s.Name != "" && c.doc == nil {
		s.File, err = w.readFile(s.Name, config.MaxDocument)
	}
	return s, err
}

// refuse ends a run whose configuration is no good, so that there is no task: one line, and
// the record of it in the place of an earlier run's, where a run would have one.
func (w *world) refuse(mode config.Mode, c call, err error) int {
	err = event.Or(event.ConfigBad, err)
	code := event.CauseOf(err).Code.Exit()
	if given := w.flag(c, "dir"); mode.Mesh() || given != "" {
		task.Refused(statedir.Candidates(given, w.getenv("TMPDIR")), w.begin, err, code)
	}
	return w.giveUp(c, code, err)
}

// directoryCode is why there is no state directory.
func directoryCode(err error) event.Code {
	if errors.Is(err, statedir.ErrHeld) {
		return event.StateDirectoryInUse
	}
	return event.StateDirectory
}

// giveUp prints why a run did not begin, with its cause, and returns code.
// In JSON it is the line that ends every task that is given up.
func (w *world) giveUp(c call, code int, err error) int {
	cause := event.CauseOf(err)
	s, _ := w.sources(c.mode(), c)
	if log := config.LogOf(s); log.Format == "json" {
		log.Level = "error" // of a bad one nothing would be said
		journal.GaveUp(w.logger(log, w.stderr), code, "", err)
		return code
	}
	if cause != nil {
		return w.fail(code, "%v%s", err, journal.CauseSuffix(cause.Code))
	}
	return w.fail(code, "%v", err)
}
