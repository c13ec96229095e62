package config

import (
	"path"
	"slices"
	"strings"
)

// Health is what the service's TTL checks tell Consul.
type Health struct {
	App       *HealthCheck `json:"app,omitempty"`       // nil: the app is healthy while it runs and is ready
	Container string       `json:"container,omitempty"` // whose name the own check bears; default: own container, else "app"
	TTL       Duration     `json:"ttl,omitzero"`
	Interval  Duration     `json:"interval,omitzero"` // of the metadata poll while something changes; five times it when steady, 1.5s at most while one passes
}

// HealthCheck is an ECS container health check; the times are in seconds.
type HealthCheck struct {
	Command     []string `json:"command,omitempty"` // begins with CMD or CMD-SHELL; or one of the next three
	HTTP        string   `json:"http,omitempty"`    // URL that answers 200 to 399
	TCP         string   `json:"tcp,omitempty"`     // HOST:PORT that accepts
	GRPC        string   `json:"grpc,omitempty"`    // HOST:PORT or HOST:PORT/SERVICE whose grpc.health.v1 says SERVING
	Interval    int      `json:"interval,omitempty"`
	Timeout     int      `json:"timeout,omitempty"`
	Retries     int      `json:"retries,omitempty"`
	StartPeriod int      `json:"startPeriod,omitempty"` // 0: off
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
	var given []string
	for _, name := range []string{"command", "http", "tcp", "grpc"} {
		if v.given["health.app."+name] {
			given = append(given, name)
		}
	}
	switch {
	case len(given) > 1:
		v.error("health.app", "set only one of command, http, tcp and grpc, got %s", strings.Join(given, " and "))
	case len(given) == 0:
		v.error("health.app.command", `required: ["CMD", PROGRAM, ARG…] or ["CMD-SHELL", LINE]; or set http, tcp or grpc instead`)
	case given[0] == "command":
		v.healthCommand(h.App.Command)
	case given[0] == "http":
		v.url("health.app.http", h.App.HTTP)
	case given[0] == "tcp":
		v.hostPort("health.app.tcp", h.App.TCP)
	case given[0] == "grpc":
		v.grpc("health.app.grpc", h.App.GRPC)
	}
}

// healthCommand checks a command as ECS has it.
func (v checker) healthCommand(cmd []string) {
	const at = "health.app.command"
	v.argv(at, cmd)
	switch {
	case len(cmd) == 0:
		v.error(at, `must be ["CMD", PROGRAM, ARG…] or ["CMD-SHELL", LINE]`)
	case cmd[0] == "CMD" && len(cmd) > 1 && cmd[1] != "":
		v.selfProbe(at, cmd[1:])
	case cmd[0] == "CMD-SHELL" && len(cmd) == 2 && strings.TrimSpace(cmd[1]) != "":
		v.selfProbe(at, strings.Fields(cmd[1]))
	case cmd[0] == "CMD" || cmd[0] == "CMD-SHELL":
		v.error(at, `must be ["CMD", PROGRAM, ARG…] or ["CMD-SHELL", LINE]`)
	default:
		v.error(at, "must begin with CMD or CMD-SHELL, got %q", cmd[0])
	}
}

// selfProbe refuses a probe that asks us about ourselves: "meshtask health" waits
// for the very check that the probe feeds.
func (v checker) selfProbe(at string, words []string) {
	for i, w := range words[:max(0, len(words)-1)] {
		if path.Base(w) == "meshtask" && slices.Contains(words[i+1:], "health") {
			v.error(at, "asks meshtask health, which waits for this very check: probe the app itself")
			return
		}
	}
}

// sync checks which containers' health is synced.
func (v checker) sync() {
	const at = "healthSyncContainers"
	v.distinct(at, v.c.HealthSyncContainers)
	for i, name := range v.c.HealthSyncContainers {
		v.match(index(at, i), name, container, containerForm)
		if name == v.c.Health.Container && name != "" {
			v.error(index(at, i), "%q is also health.container, so its check would have two sources: remove it", name)
		}
	}
	if len(v.c.Service.Checks) == 0 {
		return
	}
	if len(v.c.HealthSyncContainers) > 0 {
		v.error(at, "set only one of service.checks and healthSyncContainers")
	}
	if v.c.Health.App != nil {
		v.warn("health.app", "is used by meshtask health only: with service.checks Consul probes the app itself")
	}
}

// dropOwnContainer takes our own container out of a consul-ecs document's healthSyncContainers,
// where the app's container always was. Its check stays, under the same ID, and
// follows the app; see refuseOwnContainer.
func (c *Config) dropOwnContainer() {
	if c.ConsulECS {
		c.HealthSyncContainers = slices.DeleteFunc(c.HealthSyncContainers, func(name string) bool { return name == c.Task.Container })
	}
}

// refuseOwnContainer refuses to sync our own container: its ECS health is what meshtask
// health says, which waits for the synced checks.
func (v checker) refuseOwnContainer() {
	for i, name := range v.c.HealthSyncContainers {
		at := index("healthSyncContainers", i)
		switch {
		case name == v.c.Task.Container:
			v.error(at, "%q is meshtask's own container: its ECS health comes from meshtask health, which waits for this very check. Remove it, and set health.app to check the app", name)
		case name == v.c.Health.Container && v.c.Health.App != nil:
			v.error(at, "%q is also the container of health.app, so its check would have two sources: remove it", name)
		}
	}
}
