package config

import (
	"path"
	"slices"
	"strings"
	"syscall"
)

func (v checker) app() {
	a := v.c.App
	v.argv("app.command", a.Command)
	if v.given["app.command"] && len(a.Command) == 0 {
		v.wrong("app.command", "must not be empty")
	}
	if s := syscall.Signal(a.StopSignal); s == syscall.SIGSTOP || s == syscall.SIGCHLD || s == syscall.SIGCONT {
		v.wrong("app.stopSignal", "%s cannot end a process: %s", a.StopSignal, signalForms)
	}
	v.word("app.signal", a.Signal, "group", "leader")
	v.match("app.user", a.User, user, "a user's name, a uid, or uid:gid")
	v.filled("app.user", a.User)
	v.filled("app.dir", a.Dir)
	for _, name := range sorted(a.Env) {
		at := join("app.env", name)
		if name == "" || strings.ContainsAny(name, "=\x00") {
			v.wrong(at, "a variable's name must not be empty or hold '=' or NUL")
		}
		v.text(at, a.Env[name].Value)
	}
	v.word("app.restart.policy", a.Restart.Policy, "never", "on-failure", "always")
	v.restart("app.restart", a.Restart.Restart)
}

func (v checker) ready() {
	r := v.c.App.Ready
	var probes []string
	for _, p := range []string{"tcp", "http", "exec", "fd"} {
		if v.given["app.ready."+p] {
			probes = append(probes, p)
		}
	}
	if len(probes) > 1 {
		v.wrong("app.ready", "give one of tcp, http, exec and fd, got %s", strings.Join(probes, " and "))
	}
	for _, p := range probes {
		at := "app.ready." + p
		switch p {
		case "tcp":
			v.hostPort(at, r.TCP)
		case "http":
			v.url(at, r.HTTP)
		case "exec":
			v.argv(at, r.Exec)
			if len(r.Exec) == 0 {
				v.wrong(at, "must not be empty")
			}
			v.loop(at, r.Exec)
		case "fd":
			v.between(at, r.FD, 3, 1023, "")
			if v.c.Mode == Run && len(v.c.App.Command) == 0 {
				v.wrong(at, "needs a command, after -- or as app.command, which inherits descriptor %d: set tcp, http or exec for an app in another container", r.FD)
			}
		}
	}
	v.positive("app.ready.timeout", r.Timeout)
}

// health validates ECS's bounds of a container health check.
func (v checker) health() {
	v.sync()
	h := v.c.Health
	v.match("health.container", h.Container, container, containerForm)
	v.positive("health.ttl", h.TTL)
	v.positive("health.interval", h.Interval)
	if h.App == nil {
		return
	}
	v.between("health.app.interval", h.App.Interval, 5, 300, " seconds")
	v.between("health.app.timeout", h.App.Timeout, 2, 60, " seconds")
	v.between("health.app.retries", h.App.Retries, 1, 10, "")
	v.between("health.app.startPeriod", h.App.StartPeriod, 0, 300, " seconds")
	const at = "health.app.command"
	cmd := h.App.Command
	v.argv(at, cmd)
	switch {
	case len(cmd) == 0:
		v.wrong(at, `required: ["CMD", PROGRAM, ARG…] or ["CMD-SHELL", LINE]`)
	case cmd[0] == "CMD" && len(cmd) > 1 && cmd[1] != "":
		v.loop(at, cmd[1:])
	case cmd[0] == "CMD-SHELL" && len(cmd) == 2 && strings.TrimSpace(cmd[1]) != "":
		v.loop(at, strings.Fields(cmd[1]))
	case cmd[0] == "CMD" || cmd[0] == "CMD-SHELL":
		v.wrong(at, `must be ["CMD", PROGRAM, ARG…] or ["CMD-SHELL", LINE]`)
	default:
		v.wrong(at, "must begin with CMD or CMD-SHELL, got %q", cmd[0])
	}
}

// loop refuses a probe that asks us about ourselves: "meshtask health" waits
// for the very check that the probe feeds.
func (v checker) loop(at string, words []string) {
	for i, w := range words[:max(0, len(words)-1)] {
		if path.Base(w) == "meshtask" && slices.Contains(words[i+1:], "health") {
			v.wrong(at, "closes a loop: meshtask health answers for this very check; probe the app itself")
			return
		}
	}
}

// sync checks which containers' health is synced.
func (v checker) sync() {
	const at = "healthSyncContainers"
	v.set(at, v.c.HealthSyncContainers)
	for i, name := range v.c.HealthSyncContainers {
		v.match(index(at, i), name, container, containerForm)
		if name == v.c.Health.Container && name != "" {
			v.wrong(index(at, i), "%q is health.container as well: its check would have two sources", name)
		}
	}
	if len(v.c.Service.Checks) == 0 {
		return
	}
	if len(v.c.HealthSyncContainers) > 0 {
		v.wrong(at, "only one of service.checks and healthSyncContainers can be given")
	}
	if v.c.Health.App != nil {
		v.odd("health.app", "answers meshtask health only: with service.checks Consul asks the app itself")
	}
}
