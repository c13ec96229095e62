package config

import (
	"net"
	"slices"
)

// Envoy is the task's proxy process.
type Envoy struct {
	Command       string   `json:"command,omitempty"`   // a name to look up on PATH, or a path
	Bootstrap     string   `json:"bootstrap,omitempty"` // builtin, consul
	StatsTags     bool     `json:"statsTags"`
	LogLevel      string   `json:"logLevel,omitempty"`
	Concurrency   int      `json:"concurrency,omitempty"` // 0: from the CPU quota, at least 1
	ExtraArgs     []string `json:"extraArgs,omitempty"`
	Admin         string   `json:"admin,omitempty"` // HOST:PORT; empty: unix socket in the state directory
	ReadyTimeout  Duration `json:"readyTimeout,omitzero"`
	Restart       Restart  `json:"restart,omitzero"`
	StrictVersion bool     `json:"strictVersion,omitempty"`
}

func (v checker) envoy() {
	e := v.c.Envoy
	v.nonEmpty("envoy.command", e.Command)
	v.oneOf("envoy.bootstrap", e.Bootstrap, "builtin", "consul")
	v.oneOf("envoy.logLevel", e.LogLevel, "trace", "debug", "info", "warning", "error", "critical", "off")
	if v.given["envoy.concurrency"] {
		v.between("envoy.concurrency", e.Concurrency, 1, 1024, "")
	}
	v.argv("envoy.extraArgs", e.ExtraArgs)
	for i, a := range e.ExtraArgs {
		if slices.Contains([]string{"-c", "--config-path", "--config-yaml", "--mode"}, a) {
			v.error(index("envoy.extraArgs", i), "%s is set by meshtask itself", a)
		}
	}
	if e.Admin != "" {
		v.hostPort("envoy.admin", e.Admin)
	}
	v.positive("envoy.readyTimeout", e.ReadyTimeout)
	v.restart("envoy.restart", e.Restart)
}

// envoyAdmin keeps Envoy's admin interface, which shows the ACL token and ends
// Envoy for anyone who asks, within the task.
func (v checker) envoyAdmin() {
	host, _, err := net.SplitHostPort(v.c.Envoy.Admin)
	switch {
	case v.c.Envoy.Admin == "" || err != nil || host == "":
	case !local(host):
		v.error("envoy.admin", "must be a loopback address, got %q: every process that reaches it can read the ACL token and end Envoy; remove it to use a unix socket", v.c.Envoy.Admin)
	case v.c.Mode.Mesh():
		v.warn("envoy.admin", "every process that reaches %s can read the ACL token and end Envoy; remove it to use a unix socket", v.c.Envoy.Admin)
	}
}
