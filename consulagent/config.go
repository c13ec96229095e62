package consulagent

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// AgentConfig is a client agent's configuration, as values. It holds secrets: it is
// written to a file that only we can read, and never printed.
type AgentConfig struct {
	NodeName   string
	Datacenter string // "" is Consul's own default
	Partition  string // "" is Consul's own default
	DataDir    string // the node ID in it is kept from life to life

	BindAddress      string // gossip
	AdvertiseAddress string // what others reach us at; "" is BindAddress
	ClientAddress    string // HTTP and gRPC; no other address is bound
	Ports            Ports

	RetryJoin []string
	LogLevel  string // of the agent's lines that are passed on: trace, debug, info, warn (""), error

	GossipKey   string // secret; "" is no gossip encryption
	CAFile      string // PEM bundle of the servers' CA; "" is no TLS
	CACert      string // its content, written to CAFile; "" is a CAFile that is there
	AutoEncrypt bool   // with CAFile: the servers issue the agent's certificate
	// VerifyServerHostname, with CAFile, has the agent accept as servers only those with a
	// certificate for server.<datacenter>.<domain>, not with any that the CA has signed.
	VerifyServerHostname bool

	ACLs       bool
	AgentToken string // secret; "" with ACLs is an agent that cannot write its own node
	// RecoveryToken, with ACLs, is known to this agent alone, which lets nobody but its bearer
	// change its tokens: secret; "" is none. Extra may give another.
	RecoveryToken string

	// Prometheus has the agent keep its metrics in Prometheus' format, which costs it some MB;
	// Extra may say for how long.
	Prometheus bool

	// Extra is merged last, object by object; CheckExtra says what it must not hold.
	Extra map[string]any
}

// metricsKept is how long the agent keeps a metric that does not change. It is longer than
// any collector's interval, or counters would begin anew between two scrapes.
const metricsKept = time.Hour

// Ports of the agent; 0 leaves one out, which is off for HTTPS and the two of gRPC, and
// -1 turns one off. DNS is off unless it is set.
type Ports struct {
	HTTP, HTTPS, GRPC, GRPCTLS, SerfLAN, SerfWAN, Server, DNS int
}

// Argv is the command line of an agent that reads its configuration from file.
func Argv(path, file string) []string { return []string{path, "agent", "-config-file=" + file} }

// Document is the agent's configuration file. The error names what Extra must not hold.
func (c AgentConfig) Document() ([]byte, error) {
	if err := CheckExtra(c.Extra); err != nil {
		return nil, err
	}
	doc := c.settings()
	merge(doc, c.Extra)
	return json.MarshalIndent(doc, "", "  ")
}

// settings is consul-ecs's set, less what Consul 1.22 refuses (telemetry.disable_compat_1.9),
// with the tls stanza for the keys that it has deprecated, and with what makes join and
// leave quick: retry_interval (30 s by default) and gossip_interval (200 ms).
func (c AgentConfig) settings() map[string]any {
	advertise := c.AdvertiseAddress
	if advertise == "" {
		advertise = c.BindAddress
	}
	doc := map[string]any{
		"server":                        false,
		"node_name":                     c.NodeName,
		"data_dir":                      c.DataDir,
		"bind_addr":                     c.BindAddress,
		"advertise_addr":                advertise,
		"client_addr":                   c.ClientAddress,
		"addresses":                     map[string]any{"dns": c.ClientAddress, "grpc": c.ClientAddress, "http": c.ClientAddress},
		"ports":                         c.Ports.settings(),
		"retry_join":                    c.RetryJoin,
		"retry_interval":                retryInterval.String(),
		"leave_on_terminate":            true,
		"advertise_reconnect_timeout":   "15m",
		"disable_update_check":          true,
		"enable_central_service_config": true,
		"gossip_lan":                    map[string]any{"gossip_interval": "50ms"},
		"log_level":                     c.logLevel(),
		"log_json":                      false, // its lines are read: see life
	}
	for key, value := range map[string]string{"datacenter": c.Datacenter, "partition": c.Partition, "encrypt": c.GossipKey} {
		if value != "" {
			doc[key] = value
		}
	}
	if c.CAFile != "" {
		tls := map[string]any{"defaults": map[string]any{"ca_file": c.CAFile, "verify_outgoing": true}}
		if c.VerifyServerHostname {
			tls["internal_rpc"] = map[string]any{"verify_server_hostname": true}
		}
		doc["tls"] = tls
		if c.AutoEncrypt {
			doc["auto_encrypt"] = map[string]any{"tls": true, "ip_san": []string{advertise}}
		}
	}
	if c.Prometheus { // without the host's name in the names of gauges, where it would be Consul's default
		doc["telemetry"] = map[string]any{"prometheus_retention_time": metricsKept.String(), "disable_hostname": true}
	}
	if c.ACLs {
		acl := map[string]any{"enabled": true, "default_policy": "deny", "down_policy": "async-cache"}
		tokens := map[string]any{}
		for key, token := range map[string]string{"agent": c.AgentToken, "agent_recovery": c.RecoveryToken} {
			if token != "" {
				tokens[key] = token
			}
		}
		if len(tokens) > 0 {
			acl["tokens"] = tokens
		}
		doc["acl"] = acl
	}
	return doc
}

// logLevel is info or finer: lines at info are events to us.
func (c AgentConfig) logLevel() string {
	switch level := strings.ToLower(c.LogLevel); level {
	case "trace", "debug":
		return level
	}
	return "info"
}

func (p Ports) settings() map[string]any {
	ports := map[string]any{"dns": -1}
	for name, port := range map[string]int{
		"http": p.HTTP, "https": p.HTTPS, "grpc": p.GRPC, "grpc_tls": p.GRPCTLS,
		"serf_lan": p.SerfLAN, "serf_wan": p.SerfWAN, "server": p.Server, "dns": p.DNS,
	} {
		if port != 0 {
			ports[name] = port
		}
	}
	return ports
}

// EmittedKeys are the keys that are ours to set, sorted; "a.b" is key b of object a. The
// recovery token is not among them: any will do.
func EmittedKeys() []string {
	everything := AgentConfig{
		Datacenter: "x", Partition: "x", GossipKey: "x", CAFile: "x", AutoEncrypt: true, VerifyServerHostname: true, ACLs: true, AgentToken: "x",
		Ports: Ports{1, 1, 1, 1, 1, 1, 1, 1},
	}
	keys := leaves("", everything.settings())
	slices.Sort(keys)
	return keys
}

// CheckExtra refuses extra agent configuration that holds a key of ours, by its name.
func CheckExtra(extra map[string]any) error {
	var refused []string
	for _, key := range EmittedKeys() {
		if holds(extra, strings.Split(key, ".")) {
			refused = append(refused, key)
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("consulAgent.extraConfig: must not hold %s: meshtask sets it itself", strings.Join(refused, ", "))
	}
	return nil
}

// holds says whether doc sets the key at path, or has something else than an object above it.
func holds(doc map[string]any, path []string) bool {
	value, ok := doc[path[0]]
	if !ok || len(path) == 1 {
		return ok
	}
	inner, ok := value.(map[string]any)
	return !ok || holds(inner, path[1:])
}

func leaves(prefix string, doc map[string]any) []string {
	var keys []string
	for key, value := range doc {
		if inner, ok := value.(map[string]any); ok {
			keys = append(keys, leaves(prefix+key+".", inner)...)
			continue
		}
		keys = append(keys, prefix+key)
	}
	return keys
}

// merge adds from to doc, whose objects are its own; from is left as it is.
func merge(doc, from map[string]any) {
	for key, value := range from {
		inner, ok := value.(map[string]any)
		if !ok {
			doc[key] = value
			continue
		}
		ours, _ := doc[key].(map[string]any)
		if ours = maps.Clone(ours); ours == nil {
			ours = make(map[string]any, len(inner))
		}
		merge(ours, inner)
		doc[key] = ours
	}
}
