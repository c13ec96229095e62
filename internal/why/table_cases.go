package why

import "meshtask/internal/event"

// cases are the sentences of codes that have several, by code and case.
func cases() map[event.Code]map[string]row {
	killed := "Look for what sends KILL: the kernel when memory runs out (stoppedReason of the task, the host's log), or a program in the container."
	return map[event.Code]map[string]row{
		event.ConsulEncryption: {
			event.CasePlain: quoting("The Consul agent has a gossip key, but the servers do not encrypt.", "Remove consulAgent.gossipKey and CONSUL_GOSSIP_ENCRYPTION_KEY, or have the servers encrypt with that key."),
			event.CaseNone:  quoting("The Consul servers encrypt gossip, but the agent has no key.", "Set consulAgent.gossipKey (or CONSUL_GOSSIP_ENCRYPTION_KEY) to the servers' gossip key."),
		},
		event.ConsulAddressTaken: {
			event.CaseAddress: quoting("The Consul agent cannot use an address that this container does not have[[: $address]].", "Set task.address, consulAgent.bindAddress or consulAgent.clientAddress to an address of this container, or leave them out."),
		},
		event.ConsulCertificate: {
			event.CaseServers: quoting("The certificate of the Consul server[[ at $address]] is not trusted.", "Set caCertFile of [[$field or ]]consulServers.defaults (or CONSUL_HTTPS_CACERT_PEM and CONSUL_GRPC_CACERT_PEM) to the CA that signed the servers' certificates."),
		},
		event.ConsulName: {
			event.CaseServers: quoting("consulServers.hosts comes to no address[[: $name]].", "Correct consulServers.hosts: IP addresses, a name that the VPC's DNS knows, or exec= with a command that prints addresses."),
		},
		event.ConsulNoLeader: {
			event.CaseServers: quoting("The Consul servers have no leader.", "Check the Consul servers (`consul operator raft list-peers`)."),
		},
		event.ConsulUnreachable: {
			event.CaseServers: quoting("No Consul server answers[[ at $address]][[: $error]].", "Set consulServers.hosts to the Consul servers, and allow their HTTP and gRPC ports (consulServers.http.port and grpc.port) from this task in their security group."),
			event.CaseAgent:   quoting("The Consul agent of consulAgent.external does not answer[[ at $address]][[: $error]].", "Check that this agent runs, that this task may reach it, and that consulAgent.external is its HTTP address."),
		},
		event.XDSUnreachable: {
			event.CaseServers:   say("Envoy cannot reach the Consul servers' gRPC port (xDS).", "Check that consulServers.grpc.port is the servers' gRPC port (8503 with TLS, 8502 without), and that this task may reach it: the servers' security group."),
			event.CaseAuthority: say("Envoy does not trust the Consul servers' gRPC port (xDS): its certificate is not by the given CA, or not valid now.", "Give the CA of the servers' certificates by consulServers.grpc.caCertFile, consulServers.defaults.caCertFile or CONSUL_GRPC_CACERT_PEM."),
			event.CaseName:      say("Envoy does not trust the Consul servers' gRPC port (xDS): its certificate has another name.", "Set consulServers.grpc.tlsServerName (or consulServers.defaults.tlsServerName) to a name in that certificate, such as server.<datacenter>.consul."),
			event.CasePlain:     say("Envoy speaks TLS to the Consul servers' gRPC port (xDS), which does not.", "Set consulServers.grpc.port to the servers' port for TLS (8503 by default), or consulServers.grpc.tls to false."),
		},
		event.XDSEnded: {
			event.CaseServers: say("The Consul servers refuse to configure Envoy.", "See the servers' log lines with agent.envoy. Most often the token lacks service:write, a setting in proxy.config is invalid, or the port wants TLS while consulServers.grpc.tls is false."),
		},
		event.XDSNoConfig: {
			event.CaseServers:     say("Envoy is connected to a Consul server, which sends it no configuration.", "Check that the sidecar is still in the catalog, on the node that this task registers on, and that Connect is enabled on the servers: Envoy is not configured without a certificate."),
			event.CaseMeshGateway: say("Envoy is connected to the Consul agent, which sends it no configuration yet.", "If it comes after twelve seconds, peering is turned off at the servers, which an agent waits for before its first mesh gateway: turn it on (peering { enabled = true }), or use consulServers. Else grant the token service:read for the gateway."),
		},
		event.XDSNoListeners: {
			event.CaseServers: say("Envoy has clusters but no listeners: it waits for endpoints or certificates.", "Check that the upstreams exist, and that the Consul servers have a leader."),
		},
		event.ChecksNotWritten: {
			event.CaseServers: quoting("The Consul servers do not take the health checks.", "Check that a server of consulServers.hosts answers this task and that they have a leader, and that the token has service:write for the service."),
		},
		event.RegisterDenied: {
			event.CaseNode: quoting("The node of the cluster is not in Consul's catalog[[: $node]], and the token may not make it.", "Run `meshtask acl-controller --agentless` (or consul-ecs's controller) for this cluster: it makes the node. Or set consulServers.node to \"task\", with a token that has node:write for ecs-<task id>."),
			event.CaseNone: quoting("The task has no token, and Consul lets nobody register[[ service $service]] without one.", "Set acl.serviceToken (or CONSUL_HTTP_TOKEN), and acl.agentToken (or AGENT_TOKEN). `meshtask acl-controller` creates both tokens."),
		},
		event.Restarted:           {event.CaseKilled: say("$Unit was killed (SIGKILL), not by meshtask, and was started again[[ ($restarts restarts in all)]].", killed)},
		event.ConsulRestartsSpent: {event.CaseKilled: say("The Consul agent was killed (SIGKILL), not by meshtask, more often than its restart policy allows[[ ($budget)]].", killed)},
		event.EnvoyRestartsSpent:  {event.CaseKilled: say("Envoy was killed (SIGKILL), not by meshtask, more often than its restart policy allows[[ ($budget)]].", killed)},
		event.AppRestartsSpent:    {event.CaseKilled: say("The app was killed (SIGKILL), not by meshtask, more often than its restart policy allows[[ ($budget)]].", killed)},
	}
}
