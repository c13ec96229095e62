package metrics

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Allowed says which of somebody else's metrics stand beside ours, and what they are good for.
// Names ends in a star for all that begin so.
type Allowed struct{ Names, Reason string }

// EnvoyMetrics are those of Envoy. A hundred upstreams make ten thousands of series; what is not
// here is read at Envoy's own admin interface.
func EnvoyMetrics() []Allowed {
	return []Allowed{
		{"envoy_cluster_upstream_rq*", "requests to each upstream and to the app: rate, codes, time, retries, timeouts, in flight"},
		{"envoy_cluster_upstream_cx*", "connections to them: opened, failed, cut, bytes"},
		{"envoy_cluster_membership*", "how many instances of an upstream there are, and how many are healthy"},
		{"envoy_cluster_lb_healthy_panic", "an upstream has so few healthy instances that Envoy sends to all"},
		{"envoy_cluster_health_check*", "active health checks, where Consul asks for them"},
		{"envoy_cluster_outlier_detection_ejections_active", "instances that passive health checks keep out now"},
		{"envoy_cluster_outlier_detection_ejections_enforced_total", "how often they did"},
		{"envoy_cluster_circuit_breakers_default*", "which limit of an upstream is reached"},
		{"envoy_cluster_ssl*", "mutual TLS to upstreams: handshakes, refused certificates, the certificate's end"},
		{"envoy_cluster_update_failure", "instances of an upstream could not be fetched"},
		{"envoy_cluster_update_rejected", "instances of an upstream were refused by Envoy"},
		{"envoy_http_downstream*", "requests and connections that come in, from the mesh and from the app"},
		{"envoy_http_no_cluster", "requests to a service that Envoy does not have"},
		{"envoy_http_no_route", "requests that match no route"},
		{"envoy_http_rbac*", "http requests that intentions allowed and denied"},
		{"envoy_http_local_rate_limit*", "requests that a rate limit refused"},
		{"envoy_http_ext_authz*", "decisions of an external authorizer"},
		{"envoy_http_fault*", "faults that were injected"},
		{"envoy_tcp*", "connections of tcp services"},
		{"envoy_rbac*", "tcp connections that intentions allowed and denied"},
		{"envoy_listener_downstream*", "connections of each listener, refused ones too"},
		{"envoy_listener_no_filter_chain_match", "connections that no listener's rules match"},
		{"envoy_listener_ssl*", "mutual TLS of what comes in: handshakes, refused certificates"},
		{"envoy_listener_manager*", "listeners: how many, and whether updates were taken or refused"},
		{"envoy_cluster_manager*", "clusters: likewise"},
		{"envoy_control_plane*", "whether Envoy is connected to its agent"},
		{"envoy_server*", "the process: live, state, memory, connections, days until a certificate ends"},
	}
}

// AgentMetrics are those of the Consul agent. What it tells of servers, such as raft, is 0 at a
// client and left out.
func AgentMetrics() []Allowed {
	return []Allowed{
		{"consul_acl_blocked*", "registrations that the agent's token may not make"},
		{"consul_agent_tls_cert_expiry", "seconds until the agent's own certificate ends"},
		{"consul_cache_entries_count", "what the agent keeps for Envoy's configuration"},
		{"consul_cache_fetch_error", "what it could not fetch of the servers"},
		{"consul_client_rpc", "calls to the servers"},
		{"consul_client_rpc_exceeded", "calls that a rate limit refused"},
		{"consul_client_rpc_failed", "calls that failed"},
		{"consul_memberlist_health_score", "how late the agent's gossip is; 0 is well"},
		{"consul_runtime_alloc_bytes", "the agent's heap"},
		{"consul_runtime_num_goroutines", "its goroutines"},
		{"consul_runtime_sys_bytes", "memory that it has of the kernel"},
		{"consul_serf_member*", "nodes that came, left, failed or flapped, as gossip has it"},
		{"consul_xds_server_stream*", "Envoys that the agent serves, and streams that it ended"},
	}
}

// Keep says whether a list has a name.
func Keep(list []Allowed) func(name string) bool {
	exact, prefixes := map[string]bool{}, []string{}
	for _, a := range list {
		if p, star := strings.CutSuffix(a.Names, "*"); star {
			prefixes = append(prefixes, p)
		} else {
			exact[a.Names] = true
		}
	}
	return func(name string) bool {
		if exact[name] {
			return true
		}
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				return true
			}
		}
		return false
	}
}

// Filter is what keep keeps of an answer in Prometheus' text format. An error says that text is
// none: then nothing of it stands in ours.
func Filter(text []byte, keep func(name string) bool) ([]byte, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("no metrics in Prometheus' text format: %w", err)
	}
	var out bytes.Buffer
	for _, name := range sortedKeys(families) {
		if !keep(name) {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&out, families[name]); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return out.Bytes(), nil
}
