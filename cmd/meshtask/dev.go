package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/config"
	"meshtask/internal/dev"
	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/internal/task"
)

// runDev is `meshtask dev`: a task on a laptop or in CI. What ECS would give is made by package
// dev; from there on it is `meshtask run`.
func runDev(w *world, c call) int {
	if len(c.cmd) == 0 {
		return w.fail(exitUsage, "dev: a command is needed: meshtask dev [flags] -- CMD ARG…")
	}
	if c.on("no-mesh") {
		return w.fail(exitUsage, "dev: --no-mesh needs nothing of what dev makes: meshtask run --no-mesh -- CMD")
	}
	var s *dev.Setup
	var passed []string // over, said once there is a log
	asked, err := devAsked(w, c, func(why string) { passed = append(passed, why) })
	if err == nil {
		s, err = dev.Choose(context.Background(), asked)
	}
	if err != nil && len(passed) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.Join(passed, "; "))
	}
	if err != nil && asked.Dir == "" { // a directory that nobody has named has no record of an earlier run
		return w.giveUp(c, exitConfig, event.Or(event.ConfigBad, fmt.Errorf("dev: %w", err)))
	}
	if err != nil {
		return w.refuse(c.mode(), c, fmt.Errorf("dev: %w", err))
	}
	defer s.Close()
	c.doc, c.set["dir"], c.set["config"] = s.Document, s.Dir, w.documentName(c)
	if asked.Server != "" && !s.Task.Agentless { // it wins over the configuration's
		c.set["retry-join"] = s.Task.Server
	}
	w.env = plan.Merge(w.env, "ECS_CONTAINER_METADATA_URI_V4="+s.Metadata)
	return w.runMode("dev", c.mode(), c, extras{
		before: func(ctx context.Context, t task.Tools) (func(), error) {
			tellDev(t.Log.Named("dev"), passed, s, t.Plan)
			return s.Start(ctx, t, plan.ConsulFree(w.env))
		},
	})
}

// documentName is what messages call the configuration that the user has given; "": none.
func (w *world) documentName(c call) string {
	switch {
	case w.flag(c, "config") != "":
		return w.flag(c, "config")
	case w.getenv("MESHTASK_CONFIG_JSON") != "":
		return "MESHTASK_CONFIG_JSON"
	}
	return ""
}

// devAsked is what flags and variables ask for.
func devAsked(w *world, c call, passed func(why string)) (dev.Asked, error) {
	a := dev.Asked{Command: c.cmd[0], Document: []byte(w.getenv("MESHTASK_CONFIG_JSON")), Service: w.flag(c, "service"),
		Agentless: c.on("agentless"), Joins: w.flag(c, "retry-join") != "", Server: w.flag(c, "server"), Dir: w.flag(c, "dir"), Temp: os.TempDir(),
		Passed: passed}
	var err error
	if name := w.flag(c, "config"); name != "" {
		if a.Document, err = w.readFile(name, config.MaxDocument); err != nil {
			return a, fmt.Errorf("%s: %w", w.source(c, "config"), err)
		}
	}
	if len(a.Document) > 0 && !json.Valid(a.Document) { // the contract's reader says where
		c.doc, c.set = a.Document, map[string]string{"config": w.documentName(c)}
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

// devServer says which Consul server there is, and what it is to the task.
func devServer(s *dev.Setup, p *plan.Plan) string {
	how, ui := "joins the Consul server", ", UI http://"+net.JoinHostPort(s.Task.Server, "8500")+"/ui"
	if p.Servers != nil {
		how = "asks the Consul server"
		if p.Servers.HTTP.TLS || strings.HasPrefix(s.Task.Server, "exec=") {
			ui = ""
		}
	}
	if s.StartsServer {
		how = "starts a Consul server"
	}
	if p.Servers != nil {
		how = "no agent: " + how
	}
	return how + " at " + s.Task.Server + ui
}

// tellDev logs where everything is, and what was passed over for it.
func tellDev(log hclog.Logger, passed []string, s *dev.Setup, p *plan.Plan) {
	for _, why := range passed {
		log.Warn(why)
	}
	say := func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) }
	say("service %s at %s, state and configuration in %s", p.Service.Name, s.Task.Address, s.Dir)
	if s.Task.Server != "" {
		say("%s", devServer(s, p))
	}
	if p.Admin != "" {
		say("page http://%s/", p.Admin)
	}
	host, port, _ := net.SplitHostPort(p.Envoy.Listen) // the plan made it
	say("public listener %s", net.JoinHostPort(cmp.Or(host, s.Task.Address), port))
	for _, u := range p.Service.Proxy.Upstreams {
		say("upstream %s at http://%s", u.DestinationName, net.JoinHostPort(cmp.Or(u.LocalBindAddress, s.Task.Address), strconv.Itoa(u.LocalBindPort)))
	}
}
