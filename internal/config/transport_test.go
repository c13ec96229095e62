package config

import "testing"

func TestClearText(t *testing.T) {
	ca := vars{"CONSUL_CACERT_PEM": "-----BEGIN"}
	for name, c := range map[string]struct {
		doc   string
		env   vars
		wrong []string
		odd   []string
	}{
		"admin for all":             {doc: with(`"envoy":{"admin":"0.0.0.0:19123"}`), wrong: []string{`envoy.admin: must be a loopback address, got "0.0.0.0:19123"`}},
		"admin by a name":           {doc: with(`"envoy":{"admin":"admin.example.com:19123"}`), wrong: []string{`envoy.admin: must be a loopback address, got "admin.example.com:19123"`}},
		"admin on IPv6":             {doc: with(`"envoy":{"admin":"[::]:19123"}`), wrong: []string{`envoy.admin: must be a loopback address, got "[::]:19123"`}},
		"admin on loopback":         {doc: with(`"envoy":{"admin":"127.0.0.1:19123"}`), odd: []string{"envoy.admin: every process that reaches 127.0.0.1:19123 can read the ACL token"}},
		"CA without a scheme":       {doc: with(`"acl":{"login":{"server":"10.0.0.1:8500","caCert":"file:/ca"}}`), wrong: []string{`acl.login.server: "10.0.0.1:8500" is plain http, though there is a CA (acl.login.caCert): write https://10.0.0.1:8500`}},
		"CA and http":               {doc: with(`"acl":{"login":{"server":"http://127.0.0.1:8500","caCert":"file:/ca"}}`), wrong: []string{"write https://127.0.0.1:8500, or remove the CA"}},
		"the agent's CA":            {doc: `{"consulAgent":{"retryJoin":["a"],"caCert":"file:/ca"},"acl":{"login":{"server":"http://consul:8500"}}}`, wrong: []string{"there is a CA (consulAgent.caCert)"}},
		"a CA by the variable":      {doc: with(`"acl":{"login":{"server":"http://consul:8500"}}`), env: ca, wrong: []string{"there is a CA (CONSUL_CACERT_PEM)"}},
		"CA and https":              {doc: with(`"acl":{"login":{"server":"https://consul:8501","caCert":"file:/ca"}}`)},
		"http to another host":      {doc: with(`"acl":{"login":{"server":"http://consul:8500"}}`), odd: []string{"acl.login.server: http://consul:8500 is reached by plain http: the login and its token can be read on the way; write https://consul:8500"}},
		"no scheme, other host":     {doc: with(`"acl":{"login":{"server":"consul:8500"}}`), odd: []string{"acl.login.server: consul:8500 is reached by plain http"}},
		"http to this host":         {doc: with(`"acl":{"login":{"server":"http://127.0.0.1:8500"}}`)},
		"no scheme, this host":      {doc: with(`"acl":{"login":{"server":"localhost:8500"}}`)},
		"STS by http":               {doc: with(`"acl":{"login":{"server":"https://a:1","stsEndpoint":"http://sts:80"}}`), odd: []string{"acl.login.stsEndpoint: http://sts:80 is reached by plain http"}},
		"external elsewhere":        {doc: `{"consulAgent":{"external":"10.0.0.1:8500"}}`, odd: []string{"consulAgent.external: 10.0.0.1:8500 is reached by plain http"}},
		"external on this host":     {doc: `{"consulAgent":{"external":"127.0.0.1:8500"}}`},
		"server name":               {doc: `{"consulAgent":{"retryJoin":["a"],"tlsServerName":"a b"}}`, wrong: []string{`consulAgent.tlsServerName: must be the name in the servers' certificates, such as server.dc1.consul, got "a b"`}},
		"server name by a variable": {doc: good, env: vars{"CONSUL_TLS_SERVER_NAME": "a b"}, wrong: []string{`CONSUL_TLS_SERVER_NAME: must be the name`}},
		"verification without a CA": {doc: `{"consulAgent":{"retryJoin":["a"],"verifyServerHostname":true}}`, wrong: []string{"consulAgent.verifyServerHostname: needs consulAgent.caCert"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := Load(Sources{File: []byte(c.doc), Env: c.env.lookup})
			told(t, findings(t, err), c.wrong...)
			told(t, lines(warnings), c.odd...)
		})
	}
}

func TestServerNames(t *testing.T) {
	ca := `"caCert":"file:/ca"`
	for _, c := range []struct {
		agent  string
		env    vars
		name   string
		verify bool
	}{
		{agent: ``},
		{agent: `,"tlsServerName":"server.dc1.consul"`, env: vars{"CONSUL_TLS_SERVER_NAME": "other"}, name: "server.dc1.consul"},
		{agent: ``, env: vars{"CONSUL_TLS_SERVER_NAME": "other"}, name: "other"},
		{agent: `,` + ca, verify: true},
		{agent: `,` + ca + `,"autoEncrypt":false`, verify: true},
		{agent: `,` + ca + `,"verifyServerHostname":false`},
		{agent: ``, env: vars{"CONSUL_CACERT": "/ca"}, verify: true},
	} {
		got, _ := load(t, Sources{File: []byte(`{"consulAgent":{"retryJoin":["a"]` + c.agent + `}}`), Env: c.env.lookup})
		if a := got.ConsulAgent; a.TLSServerName != c.name || a.VerifyServerHostname != c.verify {
			t.Errorf("%s with %v: name %q, verified %v", c.agent, c.env, a.TLSServerName, a.VerifyServerHostname)
		}
	}
}
