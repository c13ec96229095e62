package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/secret"
)

// consulECS010 is a document as the Terraform modules of consul-ecs 0.10 write it.
const consulECS010 = `{"bootstrapDir":"/consul","consulLogin":{"enabled":true,"method":"iam-ecs-service-token","region":"eu-west-1","datacenter":"dc1"},
 "consulServers":{"hosts":"10.0.3.7","skipServerWatch":false,"defaults":{"tls":true,"tlsServerName":"server.dc1.consul","caCertFile":"/consul/consul-ca-cert.pem"},
  "http":{"https":true,"port":8501,"caCertFile":""},"grpc":{"port":8503}},
 "controller":null,"gateway":null,"healthSyncContainers":["web"],"logLevel":"INFO",
 "proxy":{"healthCheckPort":22000,"publicListenerPort":20000,"upstreams":[{"destinationName":"api","localBindPort":1234}]},
 "service":{"name":"web","port":9090,"tags":[],"meta":{}},
 "transparentProxy":{"enabled":false,"excludeInboundPorts":[1],"consulDNS":{"enabled":false}}}`

func TestServersOfConsulECS(t *testing.T) {
	env := vars{"CONSUL_ECS_CONFIG_JSON": consulECS010, "CONSUL_GRPC_CACERT_PEM": "pem", "AGENT_TOKEN": "x", "CONSUL_GOSSIP_ENCRYPTION_KEY": "y"}
	c, warnings := load(t, Sources{Env: env.lookup, Command: []string{"x"}})
	told(t, lines(warnings), "proxy.healthCheckPort: unknown key, ignored as consul-ecs did: nothing listens there; ask `meshtask health` instead")
	s := c.ConsulServers
	want := &ConsulServers{Hosts: Hosts{"10.0.3.7"}, Node: "cluster", WarmUp: true, JoinTimeout: s.JoinTimeout,
		Defaults: ServerTLS{CACertFile: "/consul/consul-ca-cert.pem", TLS: true, TLSServerName: "server.dc1.consul"},
		HTTP:     ServerHTTP{CACertFile: "/consul/consul-ca-cert.pem", HTTPS: true, Port: 8501, TLSServerName: "server.dc1.consul", CACert: secret.Ref{Kind: secret.File, Path: "/consul/consul-ca-cert.pem"}},
		GRPC:     ServerGRPC{CACertFile: "/consul/consul-ca-cert.pem", TLS: true, Port: 8503, TLSServerName: "server.dc1.consul", CACert: secret.Ref{Kind: secret.Env, Name: "CONSUL_GRPC_CACERT_PEM"}}}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
	if s.JoinTimeout.String() != "2m0s" || c.Shutdown.Drain.PropagationWait.String() != "300ms" {
		t.Errorf("joinTimeout %s, propagationWait %s", s.JoinTimeout, c.Shutdown.Drain.PropagationWait)
	}
	var refs []string
	for _, r := range c.References() {
		refs = append(refs, r.Path+"="+r.Ref.String())
	}
	if d := cmp.Diff([]string{"consulServers.http.caCertFile=file:/consul/consul-ca-cert.pem", "consulServers.grpc.caCertFile=env:CONSUL_GRPC_CACERT_PEM",
		"acl.login.caCert=file:/consul/consul-ca-cert.pem"}, refs); d != "" {
		t.Error(d)
	}
	if l := c.ACL.Login; l == nil || l.AgentMethod != "" || l.Datacenter != "dc1" || l.Server != "" {
		t.Errorf("login %+v", l)
	}
	if c.ConsulAgent.Ports.DNS != -1 {
		t.Error("the DNS port of an agent that there is not")
	}
}

// consul-ecs from 0.7 on does not log in where there is a token.
func TestServersOfConsulECSWithAToken(t *testing.T) {
	env := vars{"CONSUL_ECS_CONFIG_JSON": consulECS010, "CONSUL_GRPC_CACERT_PEM": "pem", "CONSUL_HTTP_TOKEN": "x"}
	c, _ := load(t, Sources{Env: env.lookup, Command: []string{"x"}})
	if c.ACL.Login != nil || c.ACL.ServiceToken.String() != "env:CONSUL_HTTP_TOKEN" || !c.ACL.Enabled {
		t.Errorf("%+v", c.ACL)
	}
}

// The words of consul-ecs, and what they come to.
func TestServersDefaults(t *testing.T) {
	for doc, want := range map[string]ConsulServers{
		`{"hosts":"h","grpc":{"tls":false,"port":8502},"http":{"https":false,"port":8500}}`: {Hosts: Hosts{"h"}, HTTP: ServerHTTP{Port: 8500}, GRPC: ServerGRPC{Port: 8502}, Defaults: ServerTLS{TLS: true}},
		`{"hosts":["exec=discover -q"],"defaults":{"tls":false}}`:                           {Hosts: Hosts{"exec=discover -q"}, HTTP: ServerHTTP{HTTPS: true, Port: 8501}, GRPC: ServerGRPC{Port: 8503}},
	} {
		c, _ := load(t, Sources{File: []byte(`{"consulServers":` + doc + `}`)})
		got := *c.ConsulServers
		want.Node, want.WarmUp, want.JoinTimeout = "cluster", true, got.JoinTimeout
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", doc, d)
		}
	}
}

// The variable of an agent's CA is the CA of the servers.
func TestServersSharedCA(t *testing.T) {
	c, warnings := load(t, Sources{File: []byte(`{"consulServers":{"hosts":"h"}}`), Env: vars{"CONSUL_CACERT_PEM": "pem"}.lookup})
	told(t, lines(warnings))
	want := secret.Ref{Kind: secret.Env, Name: "CONSUL_CACERT_PEM"}
	if s := c.ConsulServers; s.HTTP.CACert != want || s.GRPC.CACert != want || c.ConsulAgent.AutoEncrypt {
		t.Errorf("%+v", s)
	}
}

func TestBadServers(t *testing.T) {
	const plain = `"grpc":{"tls":false}`
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"no hosts":          {`{"consulServers":{` + plain + `}}`, []string{"consulServers.hosts: required"}},
		"a URL":             {`{"consulServers":{"hosts":"https://h:8501",` + plain + `}}`, []string{"consulServers.hosts[0]: must be an IP address or a name, without scheme and port"}},
		"exec without":      {`{"consulServers":{"hosts":"exec=",` + plain + `}}`, []string{"consulServers.hosts[0]: exec= needs a command"}},
		"kinds of hosts":    {`{"consulServers":{"hosts":[1,null],` + plain + `}}`, []string{"consulServers.hosts[0]: must be a string, got a number", "consulServers.hosts[1]: must be a string, got null", "consulServers.hosts: required"}},
		"with an agent":     {`{"consulServers":{"hosts":"h",` + plain + `},"consulAgent":{"retryJoin":["h"]}}`, []string{"consulServers: set consulServers or consulAgent, not both"}},
		"no CA":             {`{"consulServers":{"hosts":"h"}}`, []string{"consulServers.grpc.caCertFile: required with TLS"}},
		"unknown":           {`{"consulServers":{"hosts":"h","host":"h",` + plain + `}}`, []string{"consulServers.host: unknown key, did you mean hosts?"}},
		"node":              {`{"consulServers":{"hosts":"h","node":"x",` + plain + `}}`, []string{"consulServers.node: must be one of cluster, task"}},
		"native checks":     {`{"consulServers":{"hosts":"h",` + plain + `},"service":{"port":1,"checks":[{"name":"c","tcp":"127.0.0.1:1","interval":"1s"}]}}`, []string{"service.checks: cannot be used with consulServers"}},
		"agent's token":     {`{"consulServers":{"hosts":"h",` + plain + `},"acl":{"agentToken":"env:X"}}`, []string{"acl: agentToken and login.agentMethod are for a client agent"}},
		"transparent proxy": {`{"consulServers":{"hosts":"h",` + plain + `},"transparentProxy":{"enabled":true}}`, []string{"transparentProxy.enabled: transparent proxying is not supported: set it to false; name what the app calls in proxy.upstreams"}},
		"ports":             {`{"consulServers":{"hosts":"h","http":{"port":0},"grpc":{"tls":false,"port":65536}}}`, []string{"consulServers.http.port: must be 1–65535", "consulServers.grpc.port: must be 1–65535"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Load(Sources{File: []byte(c.doc)})
			told(t, findings(t, err), c.want...)
		})
	}
}

func TestServersWarnings(t *testing.T) {
	_, warnings := load(t, Sources{File: []byte(`{"consulServers":{"hosts":"h","grpc":{"tls":false},"http":{"https":false}},"shutdown":{"agentLeave":"first","drain":{"propagationWait":"100ms"}}}`)})
	told(t, lines(warnings), "shutdown.agentLeave: not used", "shutdown.drain.propagationWait: 100ms is less than the 250ms", "consulServers.http.https: h is reached by plain http")
	doc := `{"consulServers":{"hosts":"127.0.0.1","grpc":{"tls":false}}}`
	_, warnings = load(t, Sources{Env: vars{"CONSUL_ECS_CONFIG_JSON": doc}.lookup})
	told(t, lines(warnings), "transparentProxy: absent, which consul-ecs takes for true")
}
