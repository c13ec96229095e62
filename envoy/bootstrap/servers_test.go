package bootstrap

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// For every golden case: with servers, the real command's document (which has the node's name
// then) and ours are the same, and differ from an agent's in the cluster of xDS and the node's
// name alone.
func TestServersInTheDocument(t *testing.T) {
	goldens(t, func(t *testing.T, c goldenCase) {
		agents, err := document(c.settings, c.registered())
		if err != nil {
			t.Fatal(err)
		}
		c.settings.XDS, c.settings.CA, c.settings.NodeName = "", "", "arn:aws:ecs:eu-west-1:123456789012:cluster/c"
		c.settings.Servers = &Servers{File: "/run/meshtask/servers.json"}
		text, err := Document(c.settings, c.registered())
		if err != nil {
			t.Fatal(err)
		}
		c.want["node"].(object)["metadata"].(object)["node_name"] = c.settings.NodeName
		printed, err := json.Marshal(c.want)
		if err != nil {
			t.Fatal(err)
		}
		adopted, err := Adopt(printed, c.settings, c.registered())
		if err != nil {
			t.Fatal(err)
		}
		got := parsed(t, text)
		if diff := cmp.Diff(got, parsed(t, adopted)); diff != "" {
			t.Errorf("ours (-) and the real command's (+):\n%s", diff)
		}
		cluster, err := c.settings.Servers.cluster()
		if err != nil {
			t.Fatal(err)
		}
		want := roundTrip(t, agents)
		want["node"].(object)["metadata"].(object)["node_name"] = c.settings.NodeName
		want["static_resources"].(object)["clusters"].([]any)[0] = roundTrip(t, cluster)
		service := want["dynamic_resources"].(object)["ads_config"].(object)["grpc_services"].(object)
		service["envoy_grpc"] = object{"cluster_name": ServersCluster,
			"retry_policy": object{"retry_back_off": object{"base_interval": retryBase, "max_interval": retryMax}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("an agent's document with our cluster (-want +got):\n%s", diff)
		}
		if strings.Contains(string(text), AgentCluster) {
			t.Error("something still leads to the agent")
		}
	})
}

func parsed(t *testing.T, text []byte) object {
	t.Helper()
	var doc object
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// clusterOf is the cluster of xDS in the document for these servers.
func clusterOf(t *testing.T, s Settings) object {
	t.Helper()
	s.ProxyID, s.Admin = "p", "/a.sock"
	text, err := Document(s, Registered{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, text)["static_resources"].(object)["clusters"].([]any)[0].(object)
}

func TestServersCluster(t *testing.T) {
	want := parsed(t, []byte(`{
		"name": "consul_servers", "type": "EDS", "connect_timeout": "1s",
		"eds_cluster_config": {"eds_config": {"resource_api_version": "V3",
			"path_config_source": {"path": "/run/m/servers.json", "watched_directory": {"path": "/run/m"}}}},
		"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
			"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
			"explicit_http_config": {"http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}}}}
	}`))
	if diff := cmp.Diff(want, clusterOf(t, Settings{Servers: &Servers{File: "/run/m/servers.json"}})); diff != "" {
		t.Error(diff)
	}
	for name, tls := range map[string]string{
		"server.dc1.consul": `"common_tls_context": {"alpn_protocols": ["h2"], "validation_context": {"trusted_ca": {"inline_string": "PEM"},
			"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "server.dc1.consul"}}]}}, "sni": "server.dc1.consul"`,
		"10.0.0.7": `"common_tls_context": {"alpn_protocols": ["h2"], "validation_context": {"trusted_ca": {"inline_string": "PEM"},
			"match_typed_subject_alt_names": [{"san_type": "IP_ADDRESS", "matcher": {"exact": "10.0.0.7"}}]}}`,
		"": `"common_tls_context": {"alpn_protocols": ["h2"], "validation_context": {"trusted_ca": {"inline_string": "PEM"}}}`,
	} {
		want["transport_socket"] = parsed(t, []byte(`{"name": "tls", "typed_config": {
			"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", `+tls+`}}`))
		got := clusterOf(t, Settings{Servers: &Servers{File: "/run/m/servers.json", TLS: true, CA: "PEM", ServerName: name}})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("name %q:\n%s", name, diff)
		}
	}
	if _, err := Document(Settings{ProxyID: "p", Admin: "/a.sock", Servers: &Servers{File: "/f", TLS: true}}, Registered{}); err == nil {
		t.Error("TLS that verifies nothing is no error")
	}
}

// The token file is for the servers' cluster as it is for the agent's.
func TestTokenFileAtServers(t *testing.T) {
	s := Settings{Servers: &Servers{File: "/run/m/servers.json"}, TokenFile: "/run/m/token.json"}
	http := clusterOf(t, s)["typed_extension_protocol_options"].(object)[httpOptions].(object)
	if filters, _ := http["http_filters"].([]any); len(filters) != 2 || http["explicit_http_config"] == nil {
		t.Errorf("%v", http)
	}
}

// A template's document without the agent's cluster stays what it is.
func TestServersIntoAnotherDocument(t *testing.T) {
	text, err := Adopt([]byte(`{"node":{"id":"p"},"static_resources":{"clusters":[{"name":"x"},"y"]},
		"dynamic_resources":{"ads_config":{"grpc_services":{"google_grpc":{}}}}}`),
		Settings{ProxyID: "p", Admin: "127.0.0.1:19000", Servers: &Servers{File: "/f"}}, Registered{})
	if err != nil || strings.Contains(string(text), ServersCluster) {
		t.Errorf("%s %v", text, err)
	}
}

func TestServersDocument(t *testing.T) {
	text, err := ServersDocument([]string{"10.0.0.1:8502", "[::ffff:10.0.0.2]:8503", "[fd00::1]:8502"})
	want := `{"resources":[{"@type":"type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment","cluster_name":"consul_servers","endpoints":[{"lb_endpoints":[` +
		`{"endpoint":{"address":{"socket_address":{"address":"10.0.0.1","port_value":8502}}}},` +
		`{"endpoint":{"address":{"socket_address":{"address":"10.0.0.2","port_value":8503}}}},` +
		`{"endpoint":{"address":{"socket_address":{"address":"fd00::1","port_value":8502}}}}]}]}]}`
	if diff := cmp.Diff(want, string(text)); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
	for _, wrong := range [][]string{nil, {"consul.example:8502"}, {"10.0.0.1"}, {"10.0.0.1:8502", ""}} {
		if text, err := ServersDocument(wrong); err == nil {
			t.Errorf("%q: %s", wrong, text)
		}
	}
}
