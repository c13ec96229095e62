package why

import "meshtask/internal/event"

var meshRows = map[event.Code]row{
	event.ConsulMissing: say(
		"The Consul binary was not found, or cannot be executed: $text.",
		"Copy it into the image (COPY --from=hashicorp/consul:<your servers' version> /bin/consul /usr/local/bin/consul), or set consulAgent.command or consulAgent.external.",
	),
	event.ConsulAddressTaken: quoting(
		"Another process has a port that the Consul agent needs[[: $address]].",
		"End what holds the port, such as the agent of another task on this host or a second meshtask, or set consulAgent.ports to free ones.",
	),
	event.ConsulEncryption: quoting(
		"The agent's gossip key is not the servers' key.",
		"Set consulAgent.gossipKey (or CONSUL_GOSSIP_ENCRYPTION_KEY) to the servers' gossip key.",
	),
	event.ConsulCertificate: quoting(
		"TLS between the Consul agent and the servers fails.",
		"Set consulAgent.caCert (or CONSUL_CACERT_PEM) to the CA that signed the servers' certificates. If they lack the name server.<datacenter>.consul, set consulAgent.verifyServerHostname to false.",
	),
	event.ConsulServerName: quoting(
		"The certificate of the Consul server[[ at $address]] does not have the name that is asked for.",
		"Set tlsServerName of [[$field and ]]consulServers.defaults to a name in the servers' certificates, such as server.dc1.consul (`openssl s_client -connect HOST:PORT` shows them).",
	),
	event.ConsulIsTLS: say(
		"The Consul server[[ at $address]] speaks TLS at that port, and this task does not.",
		"Set consulServers.http.https and consulServers.grpc.tls to true, with the servers' CA, or the ports to those without TLS (8500 and 8502)[[; this one is $field.port]].",
	),
	event.ConsulNotTLS: say(
		"The Consul server[[ at $address]] does not speak TLS at that port, and this task does.",
		"Set the ports to those with TLS (8501 and 8503)[[; this one is $field.port]]. Without TLS at the servers, set consulServers.http.https and consulServers.grpc.tls to false.",
	),
	event.ConsulDatacenter: quoting(
		"The Consul agent is in another datacenter than the servers.",
		"Set consulAgent.datacenter to the servers' datacenter.",
	),
	event.ConsulName: quoting(
		"The name of the Consul server cannot be resolved[[: $name]].",
		"Correct consulAgent.retryJoin, check the DNS of the VPC, or use an IP address.",
	),
	event.ConsulACL: quoting(
		"The Consul servers refuse the agent's token.",
		"Set acl.agentToken (or AGENT_TOKEN) to a token with node:write for this node. `meshtask acl-controller` creates one.",
	),
	event.ConsulUnreachable: quoting(
		"No Consul server answers[[ at $address]][[: $error]].",
		"Set consulAgent.retryJoin to a Consul server, and allow 8301 TCP and UDP and 8300 TCP from this task in the server's security group.",
	),
	event.ConsulNoLeader: quoting(
		"The Consul agent has joined, but the servers have no leader.",
		"Check the Consul servers (`consul operator raft list-peers`), and allow 8300 TCP from this task to them.",
	),
	event.ConsulSettings: quoting(
		"The Consul agent ends at its start, before it has joined[[: it $how]].",
		"Correct the setting that it names. Check consulAgent.extraConfig and consulAgent.command first.",
	),
	event.ConsulRestartsSpent: quoting(
		"The Consul agent ended more often than its restart policy allows[[ ($budget)]][[. The last time it $how]].",
		"See the agent's last log lines. consulAgent.restart is how often it may end.",
	),
	event.ConsulNotJoined: quoting(
		"The Consul agent has not joined[[: it waits for $what]].",
		"Set consulAgent.retryJoin to a Consul server whose gossip port (8301, TCP and UDP) this task can reach, and use its datacenter, gossip key and CA.",
	),
	event.RegisterDenied: quoting(
		"The service's token may not register it[[: service $service]].",
		"Grant the token service:write for the service and for its -sidecar-proxy. `meshtask acl-controller` creates such tokens.",
	),
	event.RegisterTokenUnknown: quoting(
		"The servers do not know the service's token.",
		"Set acl.serviceToken to a token of this datacenter. A new token takes a moment to reach all servers; `meshtask acl-controller` replaces a deleted one.",
	),
	event.AgentTokenUnknown: quoting(
		"The agent's token does not exist in Consul.",
		"Set acl.agentToken (or AGENT_TOKEN) to the secret ID of a token of this datacenter that has node:write for this node. acl.wait is how long a new one is waited for; `meshtask acl-controller` creates such a token.",
	),
	event.RegisterRefused: quoting(
		"Consul refuses the registration of the service.",
		"Correct the field of service or proxy that is named. Namespaces and partitions need Consul Enterprise.",
	),
	event.ChecksNotWritten: quoting(
		"The Consul agent does not take the health checks.",
		"Check that the agent answers, and that the token has service:write for the service.",
	),
	event.ListenerCheck: quoting(
		"The Consul agent does not take the check of the public listener.",
		"Check that the agent answers, and that the token has service:write for the service.",
	),
	event.Register: quoting(
		"The service could not be registered at the Consul agent.",
		"Check that the agent runs, that the servers have a leader, and that the token has service:write for the service and its sidecar.",
	),
	event.EnvoyMissing: say(
		"The Envoy binary was not found, or cannot be executed: $text.",
		"Copy it into the image (COPY --from=envoyproxy/envoy:distroless-v<version> /usr/local/bin/envoy /usr/local/bin/envoy; docs/versions.md has what fits your Consul), or set envoy.command.",
	),
	event.EnvoyVersion: say(
		"This version of Envoy does not work with this Consul: $text.",
		"Change one of the two. `meshtask version --check` prints the versions that were found; docs/versions.md has the pairs that fit.",
	),
	event.ListenerPortTaken: say(
		"Envoy cannot listen on $address ($listener): it is in use already, by $process.",
		"Set $field to a free port, or end what holds this one. If it is the app, make it listen elsewhere.",
	),
	event.ListenerRejected: quoting(
		"Envoy has its configuration, but refuses the listener.",
		"Check envoy_public_listener_json and the other listener settings in proxy.config, and the version of Envoy.",
	),
	event.ClusterRejected: say(
		"Envoy has its configuration, but refuses a cluster.",
		"Check envoy_local_cluster_json and the upstreams' envoy_cluster_json. Envoy's log names the field.",
	),
	event.XDSUnreachable: say(
		"Envoy cannot reach the Consul agent's gRPC port (xDS).",
		"Set consulAgent.ports.grpc to the port where the agent listens without TLS. With consulAgent.external, check that the agent's gRPC port is open.",
	),
	event.XDSEnded: say(
		"The Consul agent refuses to configure Envoy.",
		"See the agent's log lines with agent.envoy. Most often a setting in proxy.config is invalid, or the token lacks service:write.",
	),
	event.XDSNoConfig: say(
		"Envoy is connected to the Consul agent, which sends it no configuration.",
		"Grant the token service:read for the service and its sidecar, and check that Connect is enabled on the servers: Envoy is not configured without a certificate.",
	),
	event.XDSNoListeners: say(
		"Envoy has clusters but no listeners: it waits for endpoints or certificates.",
		"Check that the agent reaches its servers, and that the upstreams exist.",
	),
	event.ListenerElsewhere: say(
		"Envoy is live, but does not listen on $address; it listens on $bound.",
		"Remove bind_address and bind_port from proxy.config, and set proxy.publicListenerAddress and proxy.publicListenerPort instead.",
	),
	event.EnvoyAdmin: say(
		"Envoy runs, but its admin interface does not answer.",
		"Give the task more CPU, or raise envoy.readyTimeout: Envoy gets too little CPU, or hangs.",
	),
	event.MeshNotThere: say(
		"The mesh container is not up, or does not answer[[ at $address]].",
		"See the log of the container that runs `meshtask run`. Its admin.listen must be $address. --wait is how long it may take.",
	),
	event.EnvoyCrashed: quoting(
		"Envoy ended before it was ever ready[[: it $how]].",
		"Correct what it names. Check envoy.command, envoy.extraArgs, envoy_extra_static_listeners_json and the other bootstrap settings in proxy.config.",
	),
	event.EnvoyRestartsSpent: quoting(
		"Envoy ended more often than its restart policy allows[[ ($budget)]][[. The last time it $how]].",
		"See Envoy's last log lines. envoy.restart is how often it may end.",
	),
	event.EnvoyNotReady: say(
		"Envoy is not ready: $text.",
		"See Envoy's log lines. envoy.readyTimeout is how long it may take.",
	),
}
