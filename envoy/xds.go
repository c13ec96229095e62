package envoy

import (
	"context"
	"fmt"

	"meshtask/envoy/bootstrap"
	"meshtask/internal/event"
)

// The statistics of Envoy's cluster for xDS. It has one of the two, and no statistics of the other.
const (
	statAgentRefused   = "cluster." + bootstrap.AgentCluster + ".upstream_cx_connect_fail"
	statServersRefused = "cluster." + bootstrap.ServersCluster + ".upstream_cx_connect_fail"
	statServersName    = "cluster." + bootstrap.ServersCluster + ".ssl.fail_verify_san"
	statServersCA      = "cluster." + bootstrap.ServersCluster + ".ssl.fail_verify_error"
	statServersNoTLS   = "cluster." + bootstrap.ServersCluster + ".ssl.connection_error"
)

// xdsEnded says whether a stream of Envoy's has ended before there was any configuration. Envoy's
// log does not: it has the first refusals for want of room at its level debug.
func (a *Admin) xdsEnded(ctx context.Context, state string) bool {
	if state != "PRE_INITIALIZING" {
		return false
	}
	stats, err := a.Stats(ctx, statCDSFailure)
	return err == nil && stats[statCDSFailure] > 0
}

// atAgent says what is missing until an agent has sent Envoy its listeners.
func atAgent(state string, stats map[string]int64) Finding {
	switch {
	case stats[statConnected] == 0 && stats[statCDSSuccess] == 0 && stats[statAgentRefused] > 0:
		return Finding{Code: event.XDSUnreachable, Seen: fmt.Sprintf("it cannot connect to the agent's gRPC port (xDS), %d failures", stats[statAgentRefused]),
			Fix: "check that the agent is up, that consulAgent.ports.grpc is the port that it listens on, and that this port speaks TLS"}
	case stats[statConnected] == 0 && stats[statCDSSuccess] == 0 && stats[statCDSFailure] > 0:
		return Finding{Code: event.XDSEnded, Seen: fmt.Sprintf("the agent ends its xDS stream without an answer, %d times", stats[statCDSFailure]),
			Fix: "look in the agent's log (logger agent.envoy) for why: a setting of proxy.config that Consul cannot use, a token without service:write, an Envoy that is too old, or TLS on one side only"}
	case stats[statConnected] == 0 && stats[statCDSSuccess] == 0:
		return Finding{Code: event.XDSUnreachable, Seen: "it has not yet connected to the agent's gRPC port (xDS)",
			Fix: "check that the agent is up and that consulAgent.ports.grpc is the port that it listens on"}
	case stats[statCDSSuccess] == 0:
		return Finding{Code: event.XDSNoConfig, Seen: "it is connected to the agent, which has sent no configuration",
			Fix: "check that the agent knows the proxy ID and that the token may read it; the agent may not have a certificate for the service yet"}
	case stats[statLDSSuccess] == 0:
		return Finding{Code: event.XDSNoListeners, Seen: "state " + state + ": it has clusters, but no listeners yet",
			Fix: "check that the agent reaches its servers: Envoy waits for endpoints or certificates"}
	}
	return Finding{}
}

// atServers says likewise what the Consul servers have not sent.
func atServers(state string, stats map[string]int64) Finding {
	find := func(code event.Code, which, seen, fix string) Finding {
		return Finding{Code: code, Facts: event.Facts{event.FactCase: which}, Seen: seen, Fix: fix}
	}
	refused := stats[statServersRefused]
	switch silent := stats[statConnected] == 0 && stats[statCDSSuccess] == 0; {
	case silent && stats[statServersName] > 0:
		return find(event.XDSUnreachable, event.CaseName, fmt.Sprintf("the certificate of the Consul servers has another name, %d failures", stats[statServersName]),
			"set consulServers.grpc.tlsServerName to a name in it, such as server.<datacenter>.consul")
	case silent && stats[statServersCA] > 0:
		return find(event.XDSUnreachable, event.CaseAuthority, fmt.Sprintf("the certificate of the Consul servers is not by the CA that was given, or not valid now, %d failures", stats[statServersCA]),
			"give the servers' CA by consulServers.grpc.caCertFile or CONSUL_GRPC_CACERT_PEM")
	case silent && stats[statServersNoTLS] > 0:
		return find(event.XDSUnreachable, event.CasePlain, fmt.Sprintf("what the Consul servers answer at their gRPC port is no TLS, %d failures", stats[statServersNoTLS]),
			"set consulServers.grpc.port to the port for TLS (8503), or consulServers.grpc.tls to false")
	case silent && refused > 0:
		return find(event.XDSUnreachable, event.CaseServers, fmt.Sprintf("it cannot connect to the Consul servers' gRPC port (xDS), %d failures", refused),
			"check that consulServers.grpc.port is the servers' port, and that this task may reach it")
	case silent && stats[statCDSFailure] > 0:
		return find(event.XDSEnded, event.CaseServers, fmt.Sprintf("the Consul servers end its xDS stream without an answer, %d times", stats[statCDSFailure]),
			"look in the servers' log (logger agent.envoy) for why: a token without service:write, a setting of proxy.config that Consul cannot use, an Envoy that is too old, no room for another stream, or a port for TLS with consulServers.grpc.tls false")
	case silent:
		return find(event.XDSUnreachable, event.CaseServers, "it has not yet connected to the Consul servers' gRPC port (xDS)",
			"check that consulServers.grpc.port is the servers' port, and that this task may reach it")
	case stats[statCDSSuccess] == 0:
		return find(event.XDSNoConfig, event.CaseServers, "it is connected to a Consul server, which has sent no configuration",
			"check that the sidecar is in the catalog, on the node that this task registers on; its certificate may not be made yet")
	case stats[statLDSSuccess] == 0:
		return find(event.XDSNoListeners, event.CaseServers, "state "+state+": it has clusters, but no listeners yet",
			"check that the upstreams exist: Envoy waits for endpoints or certificates")
	}
	return Finding{}
}
