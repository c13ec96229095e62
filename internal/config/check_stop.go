package config

import (
	"maps"
	"slices"
	"time"
)

// leastMesh and least bound the stop budget: what the end itself, Envoy and
// the agent's leave need, and what the last KILL needs.
const (
	leastMesh = 5 * time.Second
	least     = time.Second
)

// leastRefresh bounds what a task's look at its secret costs.
const leastRefresh = time.Second

func (v checker) shutdown() {
	s := v.c.Shutdown
	stop := s.StopTimeout.Duration
	if v.c.Mode.Mesh() && stop < leastMesh {
		v.wrong("shutdown.stopTimeout", "must be at least %s with a mesh, got %s", leastMesh, stop)
	} else if stop < least {
		v.wrong("shutdown.stopTimeout", "must be at least %s, got %s", least, stop)
	}
	v.word("shutdown.agentLeave", s.AgentLeave, "last", "first")
	for _, d := range []struct {
		path string
		d    Duration
	}{
		{"shutdown.drain.propagationWait", s.Drain.PropagationWait},
		{"shutdown.drain.min", s.Drain.Min},
		{"shutdown.drain.max", s.Drain.Max},
		{"app.stopTimeout", v.c.App.StopTimeout},
	} {
		if d.d.Given && d.d.Duration >= stop {
			v.wrong(d.path, "%s does not fit into shutdown.stopTimeout %s", d.d, stop)
		}
	}
	if s.Drain.Max.Given && s.Drain.Max.Duration < s.Drain.Min.Duration {
		v.wrong("shutdown.drain.max", "%s is below shutdown.drain.min %s", s.Drain.Max, s.Drain.Min)
	}
	if v.given["app.stopTimeout"] {
		v.positive("app.stopTimeout", v.c.App.StopTimeout)
	}
}

func (v checker) acl() {
	a := v.c.ACL
	v.positive("acl.wait", a.Wait)
	if r := a.Refresh.Duration; r > 0 && r < leastRefresh {
		v.wrong("acl.refresh", "must be 0s (never) or %s at least, got %s", leastRefresh, r)
	}
	if a.Login == nil {
		return
	}
	if !a.ServiceToken.IsZero() {
		v.wrong("acl.serviceToken", "only one of acl.serviceToken and acl.login can be given")
	}
	if a.Login.AgentMethod != "" && !a.AgentToken.IsZero() {
		v.wrong("acl.agentToken", "only one of acl.agentToken and acl.login.agentMethod can be given")
	}
	if a.Login.AgentMethod != "" && v.c.ConsulAgent.External != "" {
		v.wrong("acl.login.agentMethod", "consulAgent.external is an agent of somebody else, which has a token of its own")
	}
	switch s := a.Login.Server; {
	case s == "":
		v.wrong("acl.login.server", "required: the HTTP API of a Consul server, such as https://consul.example.com:8501")
	case len(s) > 4 && s[:4] == "http":
		v.url("acl.login.server", s)
	default:
		v.hostPort("acl.login.server", s)
	}
	if a.Login.STSEndpoint != "" {
		v.url("acl.login.stsEndpoint", a.Login.STSEndpoint)
	}
}

// edges checks what is left: admin, log, directories.
func (v checker) edges() {
	v.filled("bootstrapDir", v.c.BootstrapDir)
	v.text("dir", v.c.Dir)
	if l := v.c.Admin.Listen; l != "" && l != "off" {
		host := v.hostPort("admin.listen", l)
		if host != "" && !local(host) {
			v.wrong("admin.listen", "must be a loopback address, or \"off\", got %q", l)
		}
	}
	l := v.c.Log
	v.word("log.level", l.Level, "trace", "debug", "info", "warn", "error")
	v.word("log.format", l.Format, "text", "json")
	v.word("log.app", l.App, "raw", "prefix")
}

// sorted are the keys in order, so that findings come in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
