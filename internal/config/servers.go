package config

import (
	"net/netip"
	"strings"
	"time"

	"meshtask/internal/secret"
)

// ConsulServers is where a task without a client agent finds Consul. Words and defaults are
// those of consul-ecs 0.7 to 0.10.
type ConsulServers struct {
	Hosts           Hosts      `json:"hosts,omitempty"`
	SkipServerWatch bool       `json:"skipServerWatch"` // the servers of the start are those of the whole life
	Defaults        ServerTLS  `json:"defaults,omitzero"`
	HTTP            ServerHTTP `json:"http,omitzero"`
	GRPC            ServerGRPC `json:"grpc,omitzero"`

	Node        string   `json:"node,omitempty"`       // "cluster" or "task"
	WarmUp      bool     `json:"warmUp"`               // ask a server for Envoy's configuration while Envoy starts
	JoinTimeout Duration `json:"joinTimeout,omitzero"` // longest look for a server at the start
}

// Hosts are addresses, names, or exec=CMD, whose output is addresses.
type Hosts []string

// ServerTLS is what HTTP and GRPC have where they say nothing else.
type ServerTLS struct {
	CACertFile    string `json:"caCertFile,omitempty"`
	TLS           bool   `json:"tls"`
	TLSServerName string `json:"tlsServerName,omitempty"`
}

// ServerHTTP is the servers' HTTP API.
type ServerHTTP struct {
	CACertFile    string `json:"caCertFile,omitempty"`
	HTTPS         bool   `json:"https"`
	Port          int    `json:"port,omitempty"`
	TLS           bool   `json:"tls"` // consul-ecs reads it and goes by https
	TLSServerName string `json:"tlsServerName,omitempty"`

	CACert secret.Ref `json:"-"` // zero: the system's
}

// ServerGRPC is the servers' xDS.
type ServerGRPC struct {
	CACertFile    string `json:"caCertFile,omitempty"`
	Port          int    `json:"port,omitempty"`
	TLS           bool   `json:"tls"`
	TLSServerName string `json:"tlsServerName,omitempty"`

	CACert secret.Ref `json:"-"`
}

// The nodes that a task may be registered on.
const (
	ClusterNode = "cluster" // that of the ECS cluster, which the controller makes
	TaskNode    = "task"    // one of its own
)

// agentlessPropagation is the default of shutdown.drain.propagationWait without a client
// agent: downstream Envoys have followed a moved sidecar after 0.23 s (the servers put what
// happens within 0.2 s together).
const agentlessPropagation = 300 * time.Millisecond

// hosts binds what may be one string.
func (b *binder) hosts(n any, to *Hosts, path string) {
	if s, ok := n.(string); ok {
		*to = Hosts{s}
		return
	}
	items, ok := n.([]any)
	if !ok {
		b.error(path, "must be a string or an array of strings")
		return
	}
	for i, item := range items {
		if s, ok := as[string](b, item, index(path, i)); ok {
			*to = append(*to, s)
		}
	}
}

// fillServers sets the defaults of consulServers.
func (c *Config) fillServers(r *report, env func(string) string) {
	s := c.ConsulServers
	if s == nil {
		return
	}
	given := func(name string) bool { return r.given["consulServers."+name] }
	if !given("defaults.tls") {
		s.Defaults.TLS = true
	}
	if name := env("CONSUL_TLS_SERVER_NAME"); name != "" && s.Defaults.TLSServerName == "" {
		s.Defaults.TLSServerName = name
	}
	h, g := &s.HTTP, &s.GRPC
	if !given("http.https") {
		h.HTTPS = true
	}
	if !given("grpc.tls") {
		g.TLS = s.Defaults.TLS
	}
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&h.CACertFile, s.Defaults.CACertFile}, {&g.CACertFile, s.Defaults.CACertFile},
		{&h.TLSServerName, s.Defaults.TLSServerName}, {&g.TLSServerName, s.Defaults.TLSServerName},
		{&s.Node, ClusterNode},
	} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if !given("http.port") {
		h.Port = 8501
	}
	if !given("grpc.port") {
		g.Port = 8503
	}
	if !given("warmUp") {
		s.WarmUp = true
	}
	if !given("joinTimeout") {
		s.JoinTimeout = after(2 * time.Minute)
	}
	if d := &c.Shutdown.Drain.PropagationWait; !r.given["shutdown.drain.propagationWait"] {
		*d = after(agentlessPropagation)
	}
}

// fillServerCAs finds the CAs: those of the environment win, as in consul-ecs.
func (c *Config) fillServerCAs(r *report, env func(string) string) {
	s := c.ConsulServers
	agent := &c.ConsulAgent
	shared := agent.CACert // of CONSUL_CACERT_PEM and CONSUL_CACERT
	agent.CACert, agent.AutoEncrypt, agent.VerifyServerHostname = secret.Ref{}, false, false
	for _, f := range []struct {
		path, variable, file string
		tls                  bool
		to                   *secret.Ref
	}{
		{"consulServers.http.caCertFile", "CONSUL_HTTPS_CACERT_PEM", s.HTTP.CACertFile, s.HTTP.HTTPS, &s.HTTP.CACert},
		{"consulServers.grpc.caCertFile", "CONSUL_GRPC_CACERT_PEM", s.GRPC.CACertFile, s.GRPC.TLS, &s.GRPC.CACert},
	} {
		switch {
		case !f.tls:
		case env(f.variable) != "":
			*f.to, r.alias[f.path] = secret.Ref{Kind: secret.Env, Name: f.variable}, f.variable
		case f.file != "":
			*f.to = secret.Ref{Kind: secret.File, Path: f.file}
		default:
			*f.to = shared
		}
	}
}

// servers checks consulServers.
func (v checker) servers() {
	s := v.c.ConsulServers
	if s == nil || !v.c.Mode.Mesh() {
		return
	}
	if v.given["consulAgent"] || v.given["consulAgent.retryJoin"] {
		v.error("consulServers", "set consulServers or consulAgent, not both: with consulServers there is no client agent")
	}
	if len(s.Hosts) == 0 {
		v.error("consulServers.hosts", "required: the address or name of a Consul server, or exec=CMD with a command that prints addresses")
	}
	for i, h := range s.Hosts {
		at := index("consulServers.hosts", i)
		v.text(at, h)
		command, isExec := strings.CutPrefix(h, "exec=")
		_, err := netip.ParseAddr(h)
		switch {
		case isExec && strings.TrimSpace(command) == "":
			v.error(at, "exec= needs a command that prints the servers' addresses")
		case isExec, err == nil:
		case !hostname(h):
			v.error(at, "must be an IP address or a name, without scheme and port (consulServers.http.port and grpc.port), or exec=CMD, got %q", h)
		}
	}
	v.port("consulServers.http.port", s.HTTP.Port)
	v.port("consulServers.grpc.port", s.GRPC.Port)
	for _, f := range [][2]string{{"http", s.HTTP.TLSServerName}, {"grpc", s.GRPC.TLSServerName}} {
		v.match("consulServers."+f[0]+".tlsServerName", f[1], hostname, "the name in the servers' certificates, such as server.dc1.consul")
	}
	v.oneOf("consulServers.node", s.Node, ClusterNode, TaskNode)
	v.positive("consulServers.joinTimeout", s.JoinTimeout)
	if len(v.c.Service.Checks) > 0 {
		v.error("service.checks", "cannot be used with consulServers: native checks are run by a client agent; use health.app or healthSyncContainers")
	}
	if v.given["shutdown.agentLeave"] {
		v.warn("shutdown.agentLeave", "not used: with consulServers there is no agent that leaves")
		v.c.Shutdown.AgentLeave = "last"
	}
	if d := v.c.Shutdown.Drain.PropagationWait; v.given["shutdown.drain.propagationWait"] && d.Duration > 0 && d.Duration < 250*time.Millisecond {
		v.warn("shutdown.drain.propagationWait", "%s is less than the 250ms that the servers may take to tell other tasks", d)
	}
	if s.GRPC.TLS && s.GRPC.CACert.IsZero() {
		v.error("consulServers.grpc.caCertFile", "required with TLS: the CA of the servers' certificates, by caCertFile, CONSUL_GRPC_CACERT_PEM or CONSUL_CACERT_PEM; or set consulServers.grpc.tls to false and grpc.port to 8502")
	}
	if !s.HTTP.HTTPS {
		for _, h := range s.Hosts {
			if !local(h) {
				v.warn("consulServers.http.https", "%s is reached by plain http: tokens can be read and registrations changed on the way", h)
				break
			}
		}
	}
}

// hostname says whether s may be a DNS name or an IP address.
func hostname(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return consistsOf(s, "-._", 253)
}
