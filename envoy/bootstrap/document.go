// Package bootstrap makes Envoy's bootstrap document: the one that `consul connect envoy
// -bootstrap` prints, with what ours needs. It is pure: it knows neither a process nor a file,
// nor when any of this should happen.
package bootstrap

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
)

// Settings is what the bootstrap document needs besides the registration.
type Settings struct {
	ProxyID string        // ID of the registered sidecar; becomes node.id
	XDS     string        // the agent's gRPC: "IP:PORT" or "unix:///PATH"; not read with Servers
	CA      string        // PEM; set = xDS over TLS, trusting this; not read with Servers
	Token   func() string // ACL token of the proxy; nil = none
	Admin   string        // "IP:PORT", or the path of a unix socket

	NodeName string   // the node that the proxy is registered on; "" = the one that xDS is at
	Servers  *Servers // nil = xDS is an agent's, at XDS

	// TokenFile is set when the token may change while Envoy runs: Write makes it, and
	// a later TokenDocument in its place changes it. "" leaves the document with the token of now.
	TokenFile string

	Env func(name string) string // what a statsd URL such as "$NAME" reads; nil = nothing

	StatsTags StatsTags // Consul's; what proxy.config sets itself always stays
}

// Registered is the sidecar as the agent knows it (GET /v1/agent/service/ID):
// Config is proxy.config merged with the service and proxy defaults.
type Registered struct {
	Service, Namespace, Partition, Datacenter string // Service: DestinationServiceName
	Config                                    map[string]any
}

type object = map[string]any

// TokenKey is the xDS metadata that has the ACL token.
const TokenKey = "x-consul-token"

// Document is the bootstrap document: what `consul connect envoy -bootstrap` of
// Consul 1.22.6 prints for the same registration, except that the admin
// interface may be a unix socket, that it has no access log even where
// proxy-defaults ask for one, that xDS is retried sooner, that it follows
// Settings.TokenFile, and that xDS may be at Settings.Servers. It holds the token. Errors name the setting of proxy.config.
func Document(s Settings, r Registered) ([]byte, error) {
	doc, err := document(s, r)
	if err != nil {
		return nil, err
	}
	if err := adapt(doc, s, r); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

func document(s Settings, r Registered) (object, error) {
	cfg, err := parseConfig(r.Config)
	if err != nil {
		return nil, err
	}
	extra, err := cfg.extras(s, r)
	if err != nil {
		return nil, err
	}
	agent := object{"name": AgentCluster} // adapt replaces it
	if s.Servers == nil {
		if agent, err = agentCluster(s); err != nil {
			return nil, err
		}
	}
	admin, err := socketAddress(s.ConsulAdmin())
	if err != nil {
		return nil, fmt.Errorf("envoy admin address: %w", err)
	}
	token := ""
	if s.Token != nil {
		token = s.Token()
	}
	static := object{"clusters": append([]any{agent}, extra.clusters...)}
	if len(extra.listeners) > 0 {
		static["listeners"] = extra.listeners
	}
	metadata := object{"namespace": orDefault(r.Namespace), "partition": orDefault(r.Partition)}
	if s.NodeName != "" {
		metadata["node_name"] = s.NodeName
	}
	doc := object{
		"admin": object{
			"access_log": discard(),
			"address":    admin,
		},
		"node": object{
			"cluster":  r.Service,
			"id":       s.ProxyID,
			"metadata": metadata,
		},
		"layered_runtime": object{"layers": []any{object{
			"name":         "base",
			"static_layer": object{"re2.max_program_size.error_level": 1048576},
		}}},
		"static_resources":  static,
		"dynamic_resources": dynamicResources(token),
	}
	maps.Copy(doc, extra.top)
	return doc, nil
}

func agentCluster(s Settings) (object, error) {
	var address object
	if path, ok := strings.CutPrefix(s.XDS, "unix://"); ok {
		address = object{"pipe": object{"path": path}}
	} else {
		var err error
		if address, err = socketAddress(s.XDS); err != nil {
			return nil, fmt.Errorf("xDS address: %w", err)
		}
	}
	cluster := staticCluster(AgentCluster, address, "http2_protocol_options")
	cluster["ignore_health_on_host_removal"] = false
	cluster["connect_timeout"] = "1s"
	if s.CA != "" {
		cluster["transport_socket"] = object{
			"name": "tls",
			"typed_config": object{
				"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
				"common_tls_context": object{
					"validation_context": object{"trusted_ca": object{"inline_string": s.CA}},
				},
			},
		}
	}
	return cluster, nil
}

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// staticCluster has the mixture of snake and camel case that Consul prints, so
// that both documents stay comparable.
func staticCluster(name string, address object, protocol string) object {
	return object{
		"name": name,
		"type": "STATIC",
		"typed_extension_protocol_options": object{httpOptions: object{
			"@type":                "type.googleapis.com/" + httpOptions,
			"explicit_http_config": object{protocol: object{}},
		}},
		"loadAssignment": object{
			"clusterName": name,
			"endpoints":   []any{object{"lbEndpoints": []any{object{"endpoint": object{"address": address}}}}},
		},
	}
}

// dynamicResources waits for ever for its first answer, as Consul has it; the
// deadline is ours (Config.ReadyTimeout).
func dynamicResources(token string) object {
	source := func() object {
		return object{"ads": object{}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
	}
	return object{
		"lds_config": source(),
		"cds_config": source(),
		"ads_config": object{
			"api_type":              "DELTA_GRPC",
			"transport_api_version": "V3",
			"grpc_services": object{
				"initial_metadata": []any{object{"key": TokenKey, "value": token}},
				"envoy_grpc":       object{"cluster_name": AgentCluster},
			},
		},
	}
}

// ConsulAdmin is the admin address that Consul's command is to be given, which takes no
// socket: Adopt puts that in its place.
func (s Settings) ConsulAdmin() string {
	if IsSocket(s.Admin) {
		return consulAdmin
	}
	return s.Admin
}

// IsSocket says whether an admin address is the path of a unix socket.
func IsSocket(address string) bool { return strings.Contains(address, "/") }

// SocketPath is the path of such an address.
func SocketPath(address string) string { return strings.TrimPrefix(address, "unix://") }

func socketAddress(hostPort string) (object, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q needs a port number", hostPort)
	}
	return object{"socket_address": object{"address": host, "port_value": number}}, nil
}

func orDefault(name string) string {
	if name == "" {
		return "default"
	}
	return name
}
