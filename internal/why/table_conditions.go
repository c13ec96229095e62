package why

import "meshtask/internal/event"

// conditionRows are about what a running task can be without.
var conditionRows = map[event.Code]row{
	event.AppIsUnhealthy: say(
		"The app is unhealthy ($text).",
		"Run the command of health.app in the container to see why. ECS replaces a task whose container check fails.",
	),
	event.EnvoyDown: say(
		"Envoy is down[[: $text]].",
		"See Envoy's own log lines for why it ended. The service takes no traffic until Envoy is back.",
	),
	event.EnvoyUpdateRefused: quoting(
		"Envoy has refused an update of its configuration, and runs on with the one before.",
		"Correct the setting of proxy.config or of the service's configuration entries that is named. Envoy's own log lines say more.",
	),
	event.ConsulDown: say(
		"The Consul agent is down[[: $text]].",
		"See the agent's own log lines for why it ended. Envoy goes on with what it knows until the agent is back.",
	),
	event.ServersUnreachable: quoting(
		"The Consul agent reaches no Consul server.",
		"Check that the servers run and that this task reaches them (8300 TCP, 8301 TCP and UDP). Calls go on with the endpoints that Envoy knows.",
	),
	event.ServiceTokenUnknown: say(
		"Consul does not know the service token any more: it was deleted.",
		"Check that the ACL controller runs, and that nobody has deleted the token. The secret must hold a token that exists.",
	),
	event.NotRegistered: say(
		"The Consul servers do not list this instance.",
		"Check that nobody has deregistered it, and that both tokens exist; the agent writes it back at its next sync.",
	),
	event.ChecksCritical: quoting(
		"A health check of this instance does not pass[[: $check]].",
		"See the checks of the service in Consul. Nobody sends traffic to an instance while one of them fails.",
	),
	event.UpstreamNotBound: say(
		"Envoy does not listen for upstream $upstream.",
		"Free its port, or give the upstream another localBindPort. Calls to that address reach whoever has it.",
	),
	event.UpstreamNoInstance: say(
		"Upstream $upstream has no healthy instance: $text.",
		"Check that the service runs and that its checks pass (consul catalog, or the UI), and the name, datacenter and peer of the upstream.",
	),
	event.UpstreamDenied: say(
		"No intention lets this service call upstream $upstream.",
		"Create an intention that allows it: `consul intention create -allow $source $upstream`.",
	),
	event.GatewayNoEntry: say(
		"The gateway has no $kind config entry: $text.",
		"Write one of that name (`consul config write`), or give the gateway the name of yours (gateway.name).",
	),
	event.GatewayNoRoute: say(
		"The API gateway has no route bound: $text.",
		"Write an http-route or tcp-route whose Parents name api-gateway $name and one of its listeners (`consul config write`). Its Status says whether it is accepted.",
	),
	event.GatewayRights: say(
		"The gateway's token lacks rights: $text.",
		"Grant $rights to the token of gateway $name. `meshtask acl-controller` gives tasks with the tag consul.hashicorp.com/gateway-kind what their kind needs.",
	),
	event.CertificateExpires: say(
		"The certificate of this service is not renewed: $text.",
		"Check that the agent reaches its servers and that their CA works; Envoy gets certificates from the agent.",
	),
}
