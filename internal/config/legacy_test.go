package config

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/secret"
)

// consulECS loads a document as CONSUL_ECS_CONFIG_JSON.
func consulECS(doc string, flags map[string]string) (*Config, []Finding, error) {
	return Load(Sources{Env: vars{"CONSUL_ECS_CONFIG_JSON": doc}.lookup, Flags: flags})
}

var join1 = map[string]string{"retry-join": "10.0.3.7"}

func TestConsulECSDocument(t *testing.T) {
	c, warnings, err := consulECS(string(examples(t)["consul-ecs-extensive.json"]), join1)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v %v", warnings, err)
	}
	ca := secret.Ref{Kind: secret.File, Path: "/consul/consul-ca-cert.pem"}
	want := &Login{
		Method: "my-auth-method", AgentMethod: "iam-ecs-client-token", Meta: map[string]string{"tag-1": "val-1"}, Server: "https://consul.example.com:8501", CACert: ca,
		Region: "bogus-east-2", STSEndpoint: "https://bogus-east-2.example", ServerIDHeaderValue: "my.consul.example.com",
	}
	if d := cmp.Diff(want, c.ACL.Login); d != "" {
		t.Error(d)
	}
	if c.Log.Level != "debug" || !c.ACL.Enabled || c.BootstrapDir != "/consul" || !c.ConsulECS {
		t.Errorf("level %q, ACLs %v, bootstrapDir %q", c.Log.Level, c.ACL.Enabled, c.BootstrapDir)
	}
	p := c.Proxy
	if p.PublicListenerPort != 21000 || p.Config["data"] != "some-config-data" || p.MeshGateway.Mode != "local" || p.Upstreams[0].Config["data"] != "some-upstream-config-data" ||
		!p.Expose.Checks || p.Expose.Paths[0] != (ExposePath{20001, "/things", 8080, "http2"}) {
		t.Errorf("proxy %+v", p)
	}
	if s := c.Service; s.Name != "blah" || s.Port != 1234 || s.Weights.Passing != 6 || s.Namespace != "test-namespace" || !s.EnableTagOverride || s.Meta["a"] != "1" {
		t.Errorf("service %+v", s)
	}
}

// Without retryJoin an otherwise good document names just that field.
func TestConsulECSNeedsServers(t *testing.T) {
	for name, doc := range examples(t) {
		if name[:6] != "consul" {
			continue
		}
		_, _, err := consulECS(string(doc), nil)
		told(t, findings(t, err), "consulAgent.retryJoin: required: set the addresses of the Consul servers by --retry-join A,B, by MESHTASK_RETRY_JOIN, or by consulAgent.retryJoin in the configuration")
	}
}

func TestConsulECSOpenKeys(t *testing.T) {
	const doc = `{"bootstrapDir":"/consul","service":{"port":1,"prot":2},"proxy":{"upstream":[],"expose":{"path":[]}}}`
	c, warnings, err := consulECS(doc, join1)
	if err != nil || c.Service.Port != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	told(t, lines(warnings), "service.prot: unknown key, ignored as consul-ecs did, did you mean port?", "proxy.upstream: unknown key, ignored", "proxy.expose.path: unknown key, ignored")
	_, _, err = Load(Sources{File: []byte(doc), Flags: join1})
	told(t, findings(t, err), "service.prot: unknown key", "proxy.upstream", "proxy.expose.path")
	_, _, err = consulECS(`{"other":1,"service":{"weights":{"passing":1,"warning":1,"x":1}},"proxy":{"upstreams":[{"destinationName":"a","localBindPort":1,"x":1}]},"consulLogin":{"x":1}}`, join1)
	told(t, findings(t, err), "other: unknown", "service.weights.x", "proxy.upstreams[0].x", "consulLogin.x")
}

func TestConsulECSFaults(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"empty dir":      {`{"bootstrapDir":"","service":{"port":-1}}`, []string{"service.port: must be 1–65535", "bootstrapDir: must not be empty"}},
		"level":          {`{"logLevel":"LOUD"}`, []string{`logLevel: must be one of trace, debug, info, warn, error, got "loud"`}},
		"both levels":    {`{"logLevel":"INFO","log":{"level":"info"}}`, []string{"logLevel: set log.level or logLevel, not both"}},
		"both logins":    {`{"consulLogin":{"enabled":true},"consulHTTPAddr":"a:1","acl":{"login":{"server":"b:1"}}}`, []string{"consulLogin: set acl.login or consulLogin, not both"}},
		"no address":     {`{"consulLogin":{"enabled":true}}`, []string{"consulHTTPAddr: required"}},
		"bad values":     {`{"consulLogin":{"enabled":true,"stsEndpoint":"x"},"consulHTTPAddr":"https://"}`, []string{"consulHTTPAddr: must be an http or https URL", "consulLogin.stsEndpoint: must be"}},
		"other flags":    {`{"consulLogin":{"enabled":true,"extraLoginFlags":["-token-sink-file","/x","-namespace","ns1","-type=jwt"]},"consulHTTPAddr":"a:1"}`, []string{"consulLogin.extraLoginFlags[0]: login flag -token-sink-file is not supported", "consulLogin.extraLoginFlags[2]: login flag -namespace is not supported", "consulLogin.extraLoginFlags[4]: login flag -type"}},
		"no value":       {`{"consulLogin":{"enabled":true,"extraLoginFlags":["-partition"]},"consulHTTPAddr":"a:1"}`, []string{"consulLogin.extraLoginFlags[0]: login flag -partition needs a value"}},
		"no flag":        {`{"consulLogin":{"enabled":true,"extraLoginFlags":["p1"]},"consulHTTPAddr":"a:1"}`, []string{`consulLogin.extraLoginFlags[0]: must be a flag of consul login, got "p1"`}},
		"upstream nulls": {`{"proxy":{"upstreams":[{"destinationName":null,"localBindPort":null}]}}`, []string{"destinationName: required", "localBindPort: required"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := consulECS(c.doc, join1)
			told(t, findings(t, err), c.want...)
		})
	}
}

func TestConsulECSLogin(t *testing.T) {
	login := func(members string) *Login {
		t.Helper()
		c, _, err := consulECS(`{"consulHTTPAddr":"a:8501","consulLogin":{`+members+`}}`, join1)
		if err != nil {
			t.Fatal(err)
		}
		return c.ACL.Login
	}
	base := Login{Method: "iam-ecs-service-token", AgentMethod: "iam-ecs-client-token", Server: "a:8501", IncludeEntity: true}
	with := func(f func(*Login)) *Login {
		l := base
		f(&l)
		return &l
	}
	for _, c := range []struct {
		members string
		want    *Login
	}{
		{``, nil},
		{`"enabled":false,"method":"x"`, nil},
		{`"enabled":true`, &base},
		{`"enabled":true,"includeEntity":null`, &base},
		{`"enabled":true,"includeEntity":false`, with(func(l *Login) { l.IncludeEntity = false })},
		{`"enabled":true,"extraLoginFlags":["-aws-region","eu-west-1","-aws-server-id-header-value=x","--aws-sts-endpoint=https://s","-aws-include-entity=false","-meta","a=b=c","-meta=d"]`,
			with(func(l *Login) {
				l.Region, l.ServerIDHeaderValue, l.STSEndpoint, l.IncludeEntity = "eu-west-1", "x", "https://s", false
				l.Meta = map[string]string{"a": "b=c", "d": ""}
			})},
		{`"enabled":true,"extraLoginFlags":["-partition","p1"]`, with(func(l *Login) { l.Partition = "p1" })},
		{`"enabled":true,"extraLoginFlags":["--partition=p1","-aws-auto-bearer-token","-datacenter","dc2","-type","aws-iam","-namespace=default","-ca-file","/ca","-http-addr=https://b:1","-method","m"]`,
			with(func(l *Login) {
				l.Partition, l.Datacenter, l.Server, l.Method, l.CACert = "p1", "dc2", "https://b:1", "m", secret.Ref{Kind: secret.File, Path: "/ca"}
			})},
	} {
		if d := cmp.Diff(c.want, login(c.members)); d != "" {
			t.Errorf("%s: %s", c.members, d)
		}
	}
}

// The agent's login and the CAs were the work of the script of consul-client,
// so that the document says nothing of them.
func TestConsulECSClientContainer(t *testing.T) {
	const doc = `{"consulHTTPAddr":"https://a:8501","consulCACertFile":"/consul/%s","consulLogin":{"enabled":true}}`
	both := vars{"CONSUL_CACERT_PEM": "-----BEGIN", "CONSUL_HTTPS_CACERT_PEM": "-----BEGIN"}
	for _, c := range []struct {
		file            string
		env             vars
		caCert          string
		agentMethodGone bool
	}{
		{file: "consul-ca-cert.pem", caCert: "file:/consul/consul-ca-cert.pem"},
		{file: "consul-ca-cert.pem", env: both, caCert: "env:CONSUL_CACERT_PEM"},
		{file: "consul-https-ca-cert.pem", env: both, caCert: "env:CONSUL_HTTPS_CACERT_PEM"},
		{file: "consul-https-ca-cert.pem", env: vars{"CONSUL_CACERT_PEM": "-----BEGIN"}, caCert: "file:/consul/consul-https-ca-cert.pem"},
		{file: "mine.pem", env: both, caCert: "file:/consul/mine.pem"},
		{file: "mine.pem", env: vars{"AGENT_TOKEN": "x"}, caCert: "file:/consul/mine.pem", agentMethodGone: true},
	} {
		env := vars{"CONSUL_ECS_CONFIG_JSON": fmt.Sprintf(doc, c.file)}
		maps.Copy(env, c.env)
		cfg, _, err := Load(Sources{Env: env.lookup, Flags: join1})
		if err != nil {
			t.Fatal(err)
		}
		l := cfg.ACL.Login
		if got := l.CACert.String(); got != c.caCert {
			t.Errorf("%s with %v: CA %s, want %s", c.file, c.env, got, c.caCert)
		}
		if (l.AgentMethod == "") != c.agentMethodGone {
			t.Errorf("%s with %v: agent method %q", c.file, c.env, l.AgentMethod)
		}
	}
}

func TestMeta(t *testing.T) {
	c, warnings := load(t, Sources{File: []byte(with(`"service":{"meta":{"task-id":"mine","source":"me","a":"b"}}`))})
	told(t, lines(warnings), "service.meta.source: ignored: meshtask sets this key itself", "service.meta.task-id: ignored")
	if d := cmp.Diff(map[string]string{"a": "b"}, c.Service.Meta); d != "" {
		t.Error(d)
	}
}

func TestOddities(t *testing.T) {
	_, warnings := load(t, Sources{File: []byte(`{"consulAgent":{"external":"127.0.0.1:8500","retryJoin":["a"],"gossipKey":"env:K"},"service":{"checks":[{"name":"c","ttl":"1s"}]},"health":{"app":{"command":["CMD","x"]}}}`)})
	told(t, lines(warnings), "consulAgent.retryJoin: not used", "consulAgent.gossipKey: not used", "health.app: is used by meshtask health only")
}

// The document of a task whose app is now in our own container works as it is.
func TestConsulECSSyncsUs(t *testing.T) {
	doc := `{"bootstrapDir":"/consul","healthSyncContainers":["main","worker"],"service":{"port":80},"proxy":{}}`
	c := resolved(t, Sources{Env: vars{"CONSUL_ECS_CONFIG_JSON": doc, "MESHTASK_RETRY_JOIN": "10.0.0.1"}.lookup, Command: []string{"x"}}, fargate())
	if !slices.Equal(c.HealthSyncContainers, []string{"worker"}) || c.Health.Container != "main" {
		t.Errorf("synced %v, own %s", c.HealthSyncContainers, c.Health.Container)
	}
}

// Terraform's outbound_only of consul-ecs writes port 0.
func TestConsulECSPortZero(t *testing.T) {
	doc := `{"bootstrapDir":"/consul","service":{"name":"web","port":0},"proxy":{}}`
	c, warnings, err := consulECS(doc, join1)
	if err != nil || len(warnings) > 0 || c.Service.Port != 0 {
		t.Errorf("%+v %v %v", c, warnings, err)
	}
	_, _, err = Load(Sources{File: []byte(doc), Flags: join1})
	told(t, findings(t, err), "service.port: must be 1–65535, got 0")
}

// consul-ecs's agent answered DNS, which apps of its time may ask; ours does where it is told to.
func TestConsulECSKeepsDNS(t *testing.T) {
	const doc = `{"bootstrapDir":"/consul","service":{"port":1}}`
	if c, _, err := consulECS(doc, join1); err != nil || c.ConsulAgent.Ports.DNS != 8600 {
		t.Errorf("%v: %+v", err, c)
	}
	if c, _, err := consulECS(`{"bootstrapDir":"/consul","service":{"port":1},"consulAgent":{"ports":{"dns":-1}}}`, join1); err != nil || c.ConsulAgent.Ports.DNS != -1 {
		t.Errorf("given as off: %v: %+v", err, c)
	}
	c, _, err := Load(Sources{File: []byte(`{"service":{"port":1}}`), Flags: join1})
	if err != nil || c.ConsulAgent.Ports.DNS != -1 {
		t.Errorf("a document of ours: %v: %+v", err, c)
	}
}
