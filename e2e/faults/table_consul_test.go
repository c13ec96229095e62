package faults

import (
	"fmt"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/consul/api"

	"meshtask/internal/testbed/awsfake"
)

// fewer lets the agent end once more than once before it is given up.
func fewer(b *bed, unit string, n int) {
	b.set(unit+".restart", map[string]any{"max": n, "window": "60s", "backoff": "10ms", "maxBackoff": "10ms"})
}

// consulFaults keep the agent from joining.
func consulFaults() []fault {
	short := func(b *bed) { b.set("consulAgent.joinTimeout", "12s") }
	return []fault{
		{name: "consul-refused", title: "No Consul server at that address", broken: "`consulAgent.retryJoin` names an address where nobody listens.",
			before: func(b *bed) { short(b); b.set("consulAgent.retryJoin", []string{b.another()}) },
			live:   "consul-unreachable", exit: 202, code: "consul-unreachable", says: []string{"10.0.3.99:8301", "connection refused", "consulAgent.retryJoin"}},
		{name: "consul-name", title: "The Consul server's name is unknown", broken: "`consulAgent.retryJoin` is a name that DNS does not know.",
			before: func(b *bed) { short(b); b.set("consulAgent.retryJoin", []string{"consul.invalid"}) },
			live:   "consul-name", exit: 202, code: "consul-name", says: []string{"consul.invalid", "DNS"}},
		{name: "consul-datacenter", title: "The wrong datacenter", broken: "`consulAgent.datacenter` is dc2, and the servers are dc1.",
			before: func(b *bed) { short(b); b.set("consulAgent.datacenter", "dc2") },
			live:   "consul-datacenter", exit: 202, code: "consul-datacenter", says: []string{"consulAgent.datacenter"}},
		{name: "consul-gossip-key", title: "A gossip key that the servers do not have", broken: "`consulAgent.gossipKey` is set, and the servers do not encrypt.",
			before: func(b *bed) {
				short(b)
				b.set("consulAgent.gossipKey", "env:GOSSIP")
				b.env = []string{"GOSSIP=aPuGh+5UDskRAbkLaXRzFoSOcSM+5vAK+NEYOWHJH7w="}
			},
			live: "consul-encryption", exit: 202, code: "consul-encryption", says: []string{"gossipKey"}},
		{name: "consul-missing", title: "The Consul program is missing", broken: "`consulAgent.command` is not in the image.",
			before: func(b *bed) { b.set("consulAgent.command", "no-such-consul") },
			exit:   202, code: "consul-missing", says: []string{"no-such-consul", "COPY --from"}},
		{name: "consul-is-another", title: "The Consul program is another one", broken: "`consulAgent.command` is /bin/true.",
			before: func(b *bed) { b.set("consulAgent.command", "/bin/true"); fewer(b, "consulAgent", 1) },
			exit:   202, code: "consul-settings"},
		{name: "consul-setting", title: "The agent refuses a setting", broken: "`consulAgent.extraConfig` has a key that Consul does not know.",
			before: func(b *bed) {
				b.set("consulAgent.extraConfig", map[string]any{"frob": 1})
				fewer(b, "consulAgent", 1)
			},
			exit: 202, code: "consul-settings", says: []string{"frob", "extraConfig"}},
		{name: "consul-api-port-taken", title: "The agent's API port is taken", broken: "Another process has port 8500 of the task's address.",
			before: func(b *bed) { b.taken(8500); fewer(b, "consulAgent", 1) },
			exit:   202, code: "consul-address-taken", says: []string{"8500", "consulAgent.ports"}},
		{name: "consul-gossip-port-taken", title: "The agent's gossip port is taken", broken: "Another process has port 8301 of the task's address.",
			before: func(b *bed) { b.taken(8301); fewer(b, "consulAgent", 1) },
			exit:   202, code: "consul-address-taken", says: []string{"8301", "consulAgent.ports"}},
	}
}

const unknownToken = "99999999-9999-4999-8999-999999999999"

// tokens gives the task two tokens.
func tokens(b *bed, service, agent, wait string) {
	b.set("acl", map[string]any{"serviceToken": "env:SERVICE_TOKEN", "agentToken": "env:OWN_TOKEN", "wait": wait})
	b.env = []string{"SERVICE_TOKEN=" + service, "OWN_TOKEN=" + agent}
}

// token makes one that may do this.
func token(b *bed, name, rules string) *api.ACLToken {
	b.t.Helper()
	name += "-" + b.format
	if _, _, err := b.server.API.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil); err != nil {
		b.t.Fatal(err)
	}
	made, _, err := b.server.API.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: name}}}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return made
}

// tokenFaults are about the tokens of a task, at servers that want them.
func tokenFaults() []fault {
	return []fault{
		{name: "token-none", title: "No token, and the servers want one", broken: "ACLs are on with default deny, and the task has no token.", acl: true,
			before: func(b *bed) { b.set("consulAgent.joinTimeout", "20s") },
			exit:   203, code: "register-denied", says: []string{"acl.serviceToken"}},
		{name: "token-of-another", title: "The token is another service's", broken: "`acl.serviceToken` may write service api, and the service is web.", acl: true,
			before: func(b *bed) {
				tokens(b, token(b, "of-another", `service_prefix "api" { policy = "write" } node_prefix "" { policy = "read" }`).SecretID, b.server.Token, "3s")
			},
			exit: 203, code: "register-denied", says: []string{"service:write"}},
		{name: "token-unknown", title: "Consul does not know the service token", broken: "`acl.serviceToken` is a token that was never made.", acl: true,
			before: func(b *bed) { tokens(b, unknownToken, b.server.Token, "8s") },
			live:   "register-token-unknown", exit: 203, code: "register-token-unknown", says: []string{"acl.serviceToken"}},
		{name: "agent-token-unknown", title: "Consul does not know the agent's token", broken: "`acl.agentToken` is a token that was never made.", acl: true,
			before: func(b *bed) { tokens(b, b.server.Token, unknownToken, "8s") },
			live:   "agent-token-unknown", exit: 203, code: "agent-token-unknown", says: []string{"acl.agentToken"}},
		{name: "token-deleted", title: "Somebody deletes the service token", broken: "The task is up; then its service token is deleted.", acl: true,
			before: func(b *bed) {
				made := token(b, "deleted", `service_prefix "web" { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`)
				b.names[made.AccessorID] = "accessor"
				b.made = made.AccessorID
				tokens(b, made.SecretID, b.server.Token, "3s")
			},
			up: true, act: func(b *bed) {
				if _, err := b.server.API.ACL().TokenDelete(b.made, nil); err != nil {
					b.t.Fatal(err)
				}
			},
			live: "service-token-unknown", not: []string{"service-token"}, stop: term(), exit: 0, code: "service-token-unknown"},
		{name: "login-refused", title: "Consul refuses the login with the task's role", broken: "`acl.login` names an auth method that the servers do not have.", acl: true,
			before: func(b *bed) {
				role := awsfake.Role{Name: "web", Path: "/", Keys: aws.Credentials{AccessKeyID: "ASIAWEB", SecretAccessKey: "x", SessionToken: "y"}}
				iam := awsfake.NewIAM(b.t.Cleanup, role)
				b.set("acl", map[string]any{"login": map[string]any{"method": "no-such-method", "server": "http://" + b.server.HTTP}, "wait": "3s"})
				b.env = []string{"AWS_ACCESS_KEY_ID=ASIAWEB", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=y", "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL=" + iam.URL}
			},
			exit: 203, code: "login-refused", says: []string{"auth method no-such-method"}},
	}
}

// killed sends KILL to the first n lives of a unit.
func killed(unit string, n int) func(b *bed) {
	return func(b *bed) {
		for i := range n {
			b.signal(b.pid(unit, i+1), syscall.SIGKILL)
		}
	}
}

// envoyFaults keep Envoy from listening, or end it.
func envoyFaults() []fault {
	script := func(text string) func(b *bed) {
		return func(b *bed) {
			b.set("envoy.command", b.file("envoy", "#!/bin/sh\n[ \"$1\" = --version ] && echo 'envoy  version: abc/1.36.2/Clean/RELEASE/BoringSSL' && exit\n"+text+"\n", 0o755))
			fewer(b, "envoy", 1)
		}
	}
	return []fault{
		{name: "envoy-missing", title: "The Envoy program is missing", broken: "`envoy.command` is a name that is not on the PATH.",
			before: func(b *bed) { b.set("envoy.command", "no-such-envoy") },
			exit:   204, code: "envoy-missing", says: []string{"no-such-envoy", "COPY --from"}},
		{name: "envoy-missing-path", title: "The Envoy program is missing at its path", broken: "`envoy.command` is the path of a file that is not there.",
			before: func(b *bed) { b.set("envoy.command", "/opt/no/envoy") },
			exit:   204, code: "envoy-missing", says: []string{"/opt/no/envoy"}},
		{name: "envoy-exits", title: "Envoy ends at its start", broken: "Envoy prints one line and exits with 1.",
			before: script("echo '[critical] bad flag --frobnicate' >&2; exit 1"),
			exit:   204, code: "envoy-crashed", says: []string{"bad flag", "exited with 1"}},
		{name: "envoy-is-another", title: "The Envoy program is another one", broken: "`envoy.command` is a program that ends at once and says nothing.",
			before: script("exit 0"),
			exit:   204, code: "envoy-crashed", says: []string{"exited with 0"}},
		{name: "listener-port-taken", title: "The public listener's port is taken", broken: "Another process has port 20000 of the task's address.",
			before: func(b *bed) { b.taken(20000) },
			exit:   204, code: "listener-port-taken", says: []string{"10.0.1.20:20000", "nginx", "proxy.publicListenerPort"}},
		{name: "upstream-port-taken", title: "An upstream's port is taken", broken: "Another process has port 9191, where upstream api is to listen.",
			before: func(b *bed) { b.taken(9191); b.upstream("api") },
			exit:   204, code: "listener-port-taken", says: []string{"upstream api", "proxy.upstreams[0].localBindPort"}},
		{name: "listener-rejected", title: "Envoy refuses its listener", broken: "`envoy_public_listener_json` has an idle timeout of minus one second.",
			before: func(b *bed) {
				b.set("envoy.readyTimeout", "12s")
				b.set("proxy.config", map[string]any{"envoy_public_listener_json": fmt.Sprintf(`{"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "public_listener:x",
					"address": {"socket_address": {"address": %q, "port_value": 20000}},
					"filter_chains": [{"filters": [{"name": "tcp", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
						"stat_prefix": "p", "cluster": "c", "idle_timeout": "-1s"}}]}]}`, b.address)})
			},
			live: "xds-listener-rejected", exit: 204, code: "xds-listener-rejected", says: []string{"envoy_public_listener_json"}},
		{name: "envoy-killed", title: "Envoy is killed once", broken: "Somebody sends KILL to Envoy; meshtask starts it again.", up: true,
			act: func(b *bed) {
				killed("envoy", 1)(b)
				b.Await(b.t, soon, "up", "envoy", "step", "serving")
				b.pid("envoy", 2)
			},
			live: "restarted", not: []string{"restarts"}, stop: term(), exit: 0, code: "restarted", says: []string{"SIGKILL"}},
		{name: "envoy-killed-often", title: "Envoy is killed again and again", broken: "Somebody sends KILL to Envoy, more often than `envoy.restart` allows.", up: true,
			before: func(b *bed) { fewer(b, "envoy", 1) },
			act:    killed("envoy", 2),
			exit:   206, code: "envoy-restarts-spent", says: []string{"SIGKILL"}},
		{name: "envoy-hangs", title: "Envoy hangs", broken: "Envoy is stopped with SIGSTOP: its process is there and answers nothing.", up: true,
			act:  func(b *bed) { b.signal(b.pid("envoy", 1), syscall.SIGSTOP) },
			live: "hangs", not: []string{"envoy-live", "listener-bound"}, stop: term(), exit: 0, code: "hangs", says: []string{"Envoy"}},
		{name: "agent-killed", title: "The Consul agent is killed once", broken: "Somebody sends KILL to the agent; meshtask starts it again.", up: true,
			act:  func(b *bed) { killed("consul-agent", 1)(b); b.pid("consul-agent", 2) },
			live: "restarted", not: []string{"restarts"}, stop: term(), exit: 0, code: "restarted", says: []string{"SIGKILL"}},
		{name: "agent-killed-often", title: "The Consul agent is killed again and again", broken: "Somebody sends KILL to the agent, more often than `consulAgent.restart` allows.", up: true,
			before: func(b *bed) { fewer(b, "consulAgent", 1) },
			act:    killed("consul-agent", 2),
			exit:   206, code: "consul-restarts-spent", says: []string{"SIGKILL"}},
		{name: "agent-hangs", title: "The Consul agent hangs", broken: "The agent is stopped with SIGSTOP: its process is there and answers nothing.", up: true,
			act:  func(b *bed) { b.signal(b.pid("consul-agent", 1), syscall.SIGSTOP) },
			live: "hangs", not: []string{"agent-alive"}, stop: term(), exit: 0, code: "hangs", says: []string{"agent"}},
	}
}
