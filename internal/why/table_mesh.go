package why

import "meshtask/internal/event"

var meshRows = map[event.Code]row{
	event.ConsulMissing: {
		"The Consul binary was not found, or cannot be executed: $text.",
		"Copy it into the image (COPY --from=hashicorp/consul:1.22 /bin/consul /usr/local/bin/consul), or set consulAgent.command or consulAgent.external.",
	},
	event.ConsulAddressTaken: {
		"The agent cannot listen: $text.",
		"Stop what else uses the ports on this address, such as the agent of an old task definition or another task on the same host network, or change consulAgent.ports.",
	},
	event.ConsulEncryption: {
		"The agent's gossip key is not the servers' key: $text.",
		"Set consulAgent.gossipKey (or CONSUL_GOSSIP_ENCRYPTION_KEY) to the servers' gossip key.",
	},
	event.ConsulCertificate: {
		"TLS between agent and servers fails: $text.",
		"Set consulAgent.caCert (or CONSUL_CACERT_PEM) to the CA that signed the servers' certificates. If they lack the name server.<datacenter>.consul, set consulAgent.verifyServerHostname to false.",
	},
	event.ConsulDatacenter: {
		"The agent is in another datacenter than the servers: $text.",
		"Set consulAgent.datacenter to the servers' datacenter.",
	},
	event.ConsulName: {
		"The name of a Consul server cannot be resolved: $text.",
		"Correct consulAgent.retryJoin, check the DNS of the VPC, or use an IP address.",
	},
	event.ConsulACL: {
		"The servers refuse the agent's token: $text.",
		"Set acl.agentToken (or AGENT_TOKEN) to a token with node:write for this node. `meshtask acl-controller` creates one.",
	},
	event.ConsulUnreachable: {
		"The agent cannot reach a Consul server: $text.",
		"Set consulAgent.retryJoin to a Consul server, and allow 8301 TCP and UDP and 8300 TCP from this task in the server's security group.",
	},
	event.ConsulNoLeader: {
		"The agent has joined, but knows no leader: $text.",
		"Check the Consul servers (`consul operator raft list-peers`), and allow 8300 TCP from this task to them.",
	},
	event.ConsulSettings: {
		"The agent ended each time before it had ever joined: it $last.",
		"See the agent's last log lines for the setting that it refuses. Check consulAgent.extraConfig first.",
	},
	event.ConsulRestartsSpent: {
		"The Consul agent ended more often than its restart policy allows ($budget). The last time: $last.",
		"See the agent's last log lines. consulAgent.restart is how often it may end.",
	},
	event.ConsulNotJoined: {
		"The agent has not joined: $text.",
		"Set consulAgent.retryJoin to a Consul server whose gossip port (8301, TCP and UDP) this task can reach, and use its datacenter, gossip key and CA.",
	},
	event.RegisterDenied: {
		"The token may not register the service: $text.",
		"Grant the token service:write for the service and for its -sidecar-proxy. `meshtask acl-controller` creates such tokens.",
	},
	event.RegisterTokenUnknown: {
		"The servers do not know the service's token: $text.",
		"Set acl.serviceToken to a token of this datacenter. A new token takes a moment to reach all servers; `meshtask acl-controller` replaces a deleted one.",
	},
	event.AgentTokenUnknown: {
		"The agent's token does not exist in Consul: $text.",
		"Set acl.agentToken (or AGENT_TOKEN) to the secret ID of a token of this datacenter that has node:write for this node. acl.wait is how long a new one is waited for; `meshtask acl-controller` creates such a token.",
	},
	event.RegisterRefused: {
		"Consul refuses the registration: $text.",
		"Correct the field of service or proxy that is named. Namespaces and partitions need Consul Enterprise.",
	},
	event.ChecksNotWritten: {
		"The health checks cannot be written: $text.",
		"Check that the agent answers, and that the token has service:write for the service.",
	},
	event.ListenerCheck: {
		"The check of the public listener cannot be added: $text.",
		"Check that the agent answers, and that the token has service:write for the service.",
	},
	event.Register: {
		"The registration did not succeed: $text.",
		"Check that the agent runs, that the servers have a leader, and that the token has service:write for the service and its sidecar.",
	},
	event.EnvoyMissing: {
		"The Envoy binary was not found, or cannot be executed: $text.",
		"Copy it into the image (COPY --from=envoyproxy/envoy:distroless-v1.35-latest /usr/local/bin/envoy /usr/local/bin/envoy), or set envoy.command.",
	},
	event.EnvoyVersion: {
		"This version of Envoy does not work with Consul: $text.",
		"Use Envoy 1.33 to 1.36 with Consul 1.22. `meshtask version --check` prints the versions that were found.",
	},
	event.ListenerPortTaken: {
		"Envoy cannot listen on $address ($listener): it is in use already, by $process.",
		"Set $field to a free port, or end what holds this one. If it is the app, make it listen elsewhere.",
	},
	event.ListenerRejected: {
		"Envoy is connected, but its listener was refused: \"$reason\".",
		"Check envoy_public_listener_json and the other listener settings in proxy.config, and the version of Envoy.",
	},
	event.ClusterRejected: {
		"Envoy is connected, but a cluster was refused.",
		"Check envoy_local_cluster_json and the upstreams' envoy_cluster_json. Envoy's log names the field.",
	},
	event.XDSUnreachable: {
		"Envoy cannot reach the agent: $text.",
		"Set consulAgent.ports.grpc to the port where the agent listens without TLS. With consulAgent.external, check that the agent's gRPC port is open.",
	},
	event.XDSEnded: {
		"The agent refuses to configure Envoy: $text.",
		"See the agent's log lines with agent.envoy. Most often a setting in proxy.config is invalid, or the token lacks service:write.",
	},
	event.XDSNoConfig: {
		"Envoy is connected to the agent, which sends it nothing.",
		"Grant the token service:read for the service and its sidecar, and check that Connect is enabled on the servers: Envoy is not configured without a certificate.",
	},
	event.XDSNoListeners: {
		"Envoy has clusters but no listeners: it waits for endpoints or certificates.",
		"Check that the agent reaches its servers, and that the upstreams exist.",
	},
	event.ListenerElsewhere: {
		"Envoy is live, but does not listen on $address; it listens on $bound.",
		"Remove bind_address and bind_port from proxy.config, and set proxy.publicListenerAddress and proxy.publicListenerPort instead.",
	},
	event.EnvoyAdmin: {
		"Envoy does not answer on its admin interface: $text.",
		"Give the task more CPU, or raise envoy.readyTimeout: Envoy gets too little CPU, or hangs.",
	},
	event.MeshNotThere: {
		"The mesh container has not come up: $text.",
		"See the log of the container that runs `meshtask run`. Its admin.listen must be $address. --wait is how long it may take.",
	},
	event.EnvoyCrashed: {
		"Envoy ended each time before it was ever ready: $last.",
		"See Envoy's last log lines. Check envoy.extraArgs, envoy_extra_static_listeners_json and the other bootstrap settings in proxy.config.",
	},
	event.EnvoyRestartsSpent: {
		"Envoy ended more often than its restart policy allows ($budget). The last time: $last.",
		"See Envoy's last log lines. Raise the container's memory if Envoy was killed. envoy.restart is how often it may end.",
	},
	event.EnvoyNotReady: {
		"Envoy is not ready: $text.",
		"See Envoy's log lines. envoy.readyTimeout is how long it may take.",
	},
}
