package config

import "meshtask/internal/secret"

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
