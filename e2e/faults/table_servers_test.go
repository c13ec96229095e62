package faults

import (
	"os/exec"
	"path/filepath"

	"meshtask/e2e/harness"
)

// serversFaults keep a task without a client agent from its servers.
func serversFaults() []fault {
	agentless := func(b *bed, hosts ...string) {
		harness.Agentless(b.config, b.server)
		b.set("consulServers.joinTimeout", "12s")
		if len(hosts) > 0 {
			b.set("consulServers.hosts", hosts)
		}
	}
	return []fault{
		{name: "servers-refused", title: "No Consul server at that address, without an agent", broken: "`consulServers.hosts` names an address where nobody listens.",
			before: func(b *bed) { agentless(b, b.another()) },
			live:   "consul-unreachable", exit: 202, code: "consul-unreachable", says: []string{"10.0.3.99:8500", "connection refused", "consulServers.hosts"}},
		{name: "servers-name", title: "The servers' name is unknown, without an agent", broken: "`consulServers.hosts` is a name that DNS does not know.",
			before: func(b *bed) { agentless(b, "consul.invalid") },
			live:   "consul-name", exit: 202, code: "consul-name", says: []string{"consul.invalid", "consulServers.hosts"}},
		{name: "servers-no-tls", title: "TLS to servers that have none", broken: "`consulServers.http.https` and `grpc.tls` are true, and the ports are those without TLS.",
			before: func(b *bed) {
				agentless(b)
				b.set("consulServers.http", map[string]any{"https": true, "port": 8500})
				b.set("consulServers.grpc", map[string]any{"tls": true, "port": 8502})
				b.set("consulServers.defaults", map[string]any{"caCertFile": authority(b), "tlsServerName": "server.dc1.consul"})
			},
			live: "consul-not-tls", exit: 202, code: "consul-not-tls", says: []string{"10.0.3.7:8500", "8501 and 8503", "consulServers.http.port"}},
	}
}

// authority is the file of a CA.
func authority(b *bed) string {
	cmd := exec.CommandContext(b.t.Context(), harness.Consul(b.t), "tls", "ca", "create")
	cmd.Dir = b.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(b.dir, "consul-agent-ca.pem")
}
