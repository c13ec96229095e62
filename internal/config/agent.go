package config

import (
	"slices"
	"strings"
	"time"

	"meshtask/internal/secret"
)

// ConsulAgent is the task's Consul client agent.
type ConsulAgent struct {
	Command     string         `json:"command,omitempty"`     // a name to look up on PATH, or a path
	External    string         `json:"external,omitempty"`    // HOST:HTTPPORT of an agent that someone else runs; empty: ours
	RetryJoin   []string       `json:"retryJoin,omitempty"`   // never empty in a mesh without External
	Datacenter  string         `json:"datacenter,omitempty"`  // empty: the agent's own default
	Partition   string         `json:"partition,omitempty"`   // empty: the agent's own default
	BindAddress string         `json:"bindAddress,omitempty"` // bind and advertise; default: task.address
	ClientAddr  string         `json:"clientAddress,omitempty"`
	NodeName    string         `json:"nodeName,omitempty"` // default: ecs-<task id>
	Ports       Ports          `json:"ports,omitzero"`
	LogLevel    string         `json:"logLevel,omitempty"` // which of its lines are printed: trace … error
	ExtraConfig map[string]any `json:"extraConfig,omitempty"`
	GossipKey   secret.Ref     `json:"gossipKey,omitzero"`
	CACert      secret.Ref     `json:"caCert,omitzero"`
	AutoEncrypt bool           `json:"autoEncrypt"`

	// TLSServerName is the name that the servers' certificates carry, for every
	// connection to them; empty: the host that is dialed.
	TLSServerName string `json:"tlsServerName,omitempty"`
	// VerifyServerHostname makes the agent take only certificates for
	// server.<datacenter>.<domain> as a server's; default: true with a CA.
	VerifyServerHostname bool `json:"verifyServerHostname"`

	JoinTimeout Duration `json:"joinTimeout,omitzero"`
	Restart     Restart  `json:"restart,omitzero"`
}

// Ports are the agent's ports by the agent's own names: -1 is off, 0 leaves
// the agent's default (only for those that we give none).
type Ports struct {
	HTTP    int `json:"http,omitempty"`
	HTTPS   int `json:"https,omitempty"`
	GRPC    int `json:"grpc,omitempty"`
	GRPCTLS int `json:"grpc_tls,omitempty"`
	SerfLAN int `json:"serf_lan,omitempty"`
	SerfWAN int `json:"serf_wan,omitempty"`
	Server  int `json:"server,omitempty"`
	DNS     int `json:"dns,omitempty"`
}

// Restart is a restart budget: Max restarts within Window, the back-off
// doubling from Backoff to MaxBackoff.
type Restart struct {
	Max        int      `json:"max"`
	Window     Duration `json:"window,omitzero"`
	Backoff    Duration `json:"backoff,omitzero"`
	MaxBackoff Duration `json:"maxBackoff,omitzero"`
}

func (v checker) agent(own []string) {
	a := v.c.ConsulAgent
	v.nonEmpty("consulAgent.command", a.Command)
	v.join()
	v.match("consulAgent.datacenter", a.Datacenter, container, "letters, digits, '_' and '-'")
	v.ip("consulAgent.bindAddress", a.BindAddress)
	v.ip("consulAgent.clientAddress", a.ClientAddr)
	v.match("consulAgent.nodeName", a.NodeName, name, nameForm)
	v.ports()
	v.oneOf("consulAgent.logLevel", a.LogLevel, "trace", "debug", "info", "warn", "error")
	v.extra("consulAgent.extraConfig", "", a.ExtraConfig, own)
	if v.c.Mode.Mesh() && a.AutoEncrypt && a.CACert.IsZero() {
		v.error("consulAgent.autoEncrypt", "needs consulAgent.caCert, or CONSUL_CACERT_PEM or CONSUL_CACERT in the environment")
	}
	if v.c.Mode.Mesh() && v.given["consulAgent.verifyServerHostname"] && a.VerifyServerHostname && a.CACert.IsZero() {
		v.error("consulAgent.verifyServerHostname", "needs consulAgent.caCert, or CONSUL_CACERT_PEM or CONSUL_CACERT in the environment")
	}
	v.match("consulAgent.tlsServerName", a.TLSServerName, name, "the name in the servers' certificates, such as server.dc1.consul")
	v.positive("consulAgent.joinTimeout", a.JoinTimeout)
	v.restart("consulAgent.restart", a.Restart)
}

// join checks how the agent finds the servers.
func (v checker) join() {
	const path = "consulAgent.retryJoin"
	a := v.c.ConsulAgent
	for i, s := range a.RetryJoin {
		if strings.TrimSpace(s) == "" {
			v.error(index(path, i), "must not be empty")
		}
		v.text(index(path, i), s)
	}
	switch {
	case a.External != "":
		v.hostPort("consulAgent.external", a.External)
		for _, name := range []string{"retryJoin", "gossipKey", "extraConfig", "nodeName", "bindAddress"} {
			if v.given["consulAgent."+name] {
				v.warn("consulAgent."+name, "not used: consulAgent.external is an agent that someone else runs")
			}
		}
	case v.c.ConsulServers != nil:
	case v.c.Mode.Mesh() && len(a.RetryJoin) == 0:
		v.error(path, "required: set the addresses of the Consul servers by --retry-join A,B, by MESHTASK_RETRY_JOIN, or by %s in the configuration", path)
	}
}

func (v checker) ports() {
	p := v.c.ConsulAgent.Ports
	for _, f := range []struct {
		name string
		port int
		off  bool // may be -1
	}{
		{"http", p.HTTP, false}, {"grpc", p.GRPC, false}, {"serf_lan", p.SerfLAN, false}, {"server", p.Server, false},
		{"https", p.HTTPS, true}, {"grpc_tls", p.GRPCTLS, true}, {"serf_wan", p.SerfWAN, true}, {"dns", p.DNS, true},
	} {
		at := "consulAgent.ports." + f.name
		switch {
		case !v.given[at]:
		case f.off && f.port == -1:
		case f.off && (f.port < 1 || f.port > 65535):
			v.error(at, "must be 1–65535, or -1 for off, got %d", f.port)
		default:
			v.port(at, f.port)
		}
	}
}

// extra refuses the agent's settings that meshtask writes itself, and whatever
// would replace an object that holds one. at is the path within the agent's
// own configuration.
func (v checker) extra(path, at string, m map[string]any, own []string) {
	for _, key := range sorted(m) {
		here, p := strings.TrimPrefix(at+"."+key, "."), join(path, key)
		sub, object := m[key].(map[string]any)
		switch {
		case slices.ContainsFunc(own, func(o string) bool { return o == here || !object && strings.HasPrefix(o, here+".") }):
			top, _, _ := strings.Cut(here, ".")
			v.error(p, "is set by meshtask itself%s", instead(top))
		case object && slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(o, here+".") }):
			v.extra(p, here, sub, own)
		}
	}
}

// instead is the field for a setting of the agent.
func instead(key string) string {
	field, ok := map[string]string{
		"retry_join": "retryJoin", "datacenter": "datacenter", "partition": "partition", "node_name": "nodeName",
		"bind_addr": "bindAddress", "advertise_addr": "bindAddress", "client_addr": "clientAddress", "addresses": "clientAddress",
		"ports": "ports", "encrypt": "gossipKey", "ca_file": "caCert", "tls": "caCert", "auto_encrypt": "autoEncrypt", "log_level": "logLevel",
	}[key]
	switch {
	case ok:
		return ": use consulAgent." + field
	case key == "acl":
		return ": use acl.agentToken"
	}
	return ""
}

// restart refuses a policy that could never give up: its back-offs alone take
// longer than the window in which the restarts are counted.
func (v checker) restart(path string, p Restart) {
	v.between(path+".max", p.Max, 0, 1000, "")
	v.positive(path+".window", p.Window)
	v.positive(path+".backoff", p.Backoff)
	if p.MaxBackoff.Duration < p.Backoff.Duration {
		v.error(path+".maxBackoff", "must be at least backoff, %s, got %s", p.Backoff, p.MaxBackoff)
		return
	}
	if p.Window.Duration <= 0 || p.Backoff.Duration <= 0 {
		return
	}
	total, step := time.Duration(0), p.Backoff.Duration
	for range min(max(p.Max, 0), 1000) {
		if total += step; total >= p.Window.Duration {
			v.error(path, "max %d can never be exceeded: the back-offs of %d restarts (%s, doubling to %s) do not fit into window %s; set a longer window, or a smaller max or maxBackoff",
				p.Max, p.Max, p.Backoff, p.MaxBackoff, p.Window)
			return
		}
		step = min(2*step, p.MaxBackoff.Duration)
	}
}
