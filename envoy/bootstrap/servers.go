package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path"
)

// Servers is where the xDS of a proxy without an agent is: at the Consul servers.
type Servers struct {
	// File has the list of servers, as ServersDocument makes it. It must be there when Envoy
	// starts. Envoy follows each replacement of it: a stream that is open stays where it is,
	// and the next one goes to a server of the new list. Its directory is watched as a whole.
	File string

	TLS bool
	CA  string // PEM; needed with TLS, as Envoy without one takes any certificate

	// ServerName is asked for by SNI, and must be in the server's certificate: a DNS name, or
	// an IP address, which SNI cannot have. "" takes whatever certificate the CA has signed.
	ServerName string
}

// Servers' HTTP/2 keepalive, without which nothing ends a stream to a server that has gone
// silently. Consul cuts a connection that pings more often than every 15 s.
const (
	keepaliveInterval = "30s"
	keepaliveTimeout  = "5s"
)

// ServersDocument is the content of Servers.File: the xDS addresses of the servers, "IP:PORT".
// Envoy takes no names here.
func ServersDocument(servers []string) ([]byte, error) {
	if len(servers) == 0 {
		return nil, errors.New("no Consul server for Envoy's list")
	}
	endpoints := make([]any, len(servers))
	for i, server := range servers {
		at, err := netip.ParseAddrPort(server)
		if err != nil {
			return nil, fmt.Errorf("a Consul server in Envoy's list: %w", err)
		}
		endpoints[i] = object{"endpoint": object{"address": object{"socket_address": object{
			"address": at.Addr().Unmap().String(), "port_value": at.Port(),
		}}}}
	}
	return json.Marshal(object{"resources": []any{object{
		"@type":        "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
		"cluster_name": ServersCluster,
		"endpoints":    []any{object{"lb_endpoints": endpoints}},
	}}})
}

func (s *Servers) cluster() (object, error) {
	cluster := object{
		"name":            ServersCluster,
		"type":            "EDS",
		"connect_timeout": "1s",
		"eds_cluster_config": object{"eds_config": object{
			"path_config_source": object{
				"path":              s.File,
				"watched_directory": object{"path": path.Dir(s.File)},
			},
			"resource_api_version": "V3",
		}},
		"typed_extension_protocol_options": object{httpOptions: object{
			"@type": "type.googleapis.com/" + httpOptions,
			"explicit_http_config": object{"http2_protocol_options": object{
				"connection_keepalive": object{"interval": keepaliveInterval, "timeout": keepaliveTimeout},
			}},
		}},
	}
	if !s.TLS {
		return cluster, nil
	}
	if s.CA == "" {
		return nil, errors.New("xDS over TLS needs the CA of the Consul servers: Envoy without one takes any certificate")
	}
	cluster["transport_socket"] = s.transport()
	return cluster, nil
}

func (s *Servers) transport() object {
	validation := object{"trusted_ca": object{"inline_string": s.CA}}
	context := object{
		"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
		"common_tls_context": object{
			"validation_context": validation,
			"alpn_protocols":     []any{"h2"}, // Consul asks for none; other ends of gRPC do
		},
	}
	kind, name := "DNS", s.ServerName
	if ip, err := netip.ParseAddr(name); err == nil {
		kind, name = "IP_ADDRESS", ip.Unmap().String()
	} else if name != "" {
		context["sni"] = name
	}
	if name != "" {
		validation["match_typed_subject_alt_names"] = []any{object{"san_type": kind, "matcher": object{"exact": name}}}
	}
	return object{"name": "tls", "typed_config": context}
}

// atServers turns a document whose xDS is at an agent into one whose xDS is at the servers. One
// without an agent's cluster, as a template may make, is left alone.
func atServers(doc object, s *Servers) error {
	static, _ := doc["static_resources"].(object)
	clusters, _ := static["clusters"].([]any)
	for i, c := range clusters {
		if agent, _ := c.(object); agent["name"] != AgentCluster {
			continue
		}
		cluster, err := s.cluster()
		if err != nil {
			return err
		}
		clusters[i] = cluster
		for _, service := range grpcServices(doc) {
			if grpc, ok := service["envoy_grpc"].(object); ok && grpc["cluster_name"] == AgentCluster {
				grpc["cluster_name"] = ServersCluster
			}
		}
	}
	return nil
}
