package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"meshtask/internal/secret"
)

func TestWhichDocument(t *testing.T) {
	doc := func(name string) string {
		return `{"service":{"name":"` + name + `"},"consulAgent":{"retryJoin":["a"]}}`
	}
	for name, c := range map[string]struct {
		file, own, ecs string
		want, source   string
		consulECS      bool
	}{
		"file":               {doc("file"), doc("own"), doc("ecs"), "file", "f.json", false},
		"own variable":       {"", doc("own"), doc("ecs"), "own", "MESHTASK_CONFIG_JSON", false},
		"consul-ecs":         {"", "", doc("ecs"), "ecs", "CONSUL_ECS_CONFIG_JSON", true},
		"blank is absent":    {"", " \n", doc("ecs"), "ecs", "CONSUL_ECS_CONFIG_JSON", true},
		"nothing is no file": {"", "", "", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := Sources{Name: "f.json", Flags: map[string]string{"retry-join": "b"}, Env: vars{"MESHTASK_CONFIG_JSON": c.own, "CONSUL_ECS_CONFIG_JSON": c.ecs}.lookup}
			if c.file != "" {
				s.File = []byte(c.file)
			}
			got, _ := load(t, s)
			if got.Service.Name != c.want || got.Source != c.source || got.ConsulECS != c.consulECS {
				t.Errorf("got %q of %q, %v", got.Service.Name, got.Source, got.ConsulECS)
			}
		})
	}
	if _, _, err := Load(Sources{Name: "f.json", File: []byte{}, Flags: map[string]string{"retry-join": "b"}}); err == nil {
		t.Error("an empty file is a bad document, not an absent one")
	}
}

func TestOverrides(t *testing.T) {
	doc := `{"consulAgent":{"retryJoin":["doc"]},"shutdown":{"stopTimeout":"10s"},"log":{"level":"error","format":"text"},"app":{"signal":"group","stopSignal":"INT","command":["doc"]}}`
	env := vars{
		"MESHTASK_RETRY_JOIN": "env1, env2,", "MESHTASK_STOP_TIMEOUT": "20s", "MESHTASK_LOG_LEVEL": "DEBUG", "MESHTASK_LOG_FORMAT": "json", "MESHTASK_SIGNAL": "leader",
		"MESHTASK_STOP_SIGNAL": "QUIT", "MESHTASK_NO_DRAIN": "1", "MESHTASK_MAX_RUN_TIME": "1h", "MESHTASK_DIR": "/env",
	}
	flags := map[string]string{
		"retry-join": "flag", "stop-timeout": "40s", "log-level": "trace", "log-format": "text", "signal": "group", "stop-signal": "SIGHUP", "no-drain": "false",
		"max-run-time": "2h", "dir": "/flag", "no-mesh": "true", "config": "x",
	}
	type picked struct {
		Join                       string
		Stop, Max                  time.Duration
		Level, Format, Signal, Dir string
		StopSignal                 Signal
		Drain                      bool
		Command                    string
	}
	pick := func(s Sources) picked {
		c, _ := load(t, s)
		return picked{strings.Join(c.ConsulAgent.RetryJoin, "|"), c.Shutdown.StopTimeout.Duration, c.MaxRunTime, c.Log.Level, c.Log.Format, c.App.Signal, c.Dir, c.App.StopSignal, c.Shutdown.Drain.Enabled, strings.Join(c.App.Command, " ")}
	}
	for name, c := range map[string]struct {
		s    Sources
		want picked
	}{
		"document": {Sources{File: []byte(doc)}, picked{"doc", 10 * time.Second, 0, "error", "text", "group", "", 2, true, "doc"}},
		"environment": {Sources{File: []byte(doc), Env: env.lookup, Command: []string{"cmd", "x"}},
			picked{"env1|env2", 20 * time.Second, time.Hour, "debug", "json", "leader", "/env", 3, false, "cmd x"}},
		"flags": {Sources{File: []byte(doc), Env: env.lookup, Flags: flags},
			picked{"flag", 40 * time.Second, 2 * time.Hour, "trace", "text", "group", "/flag", 1, true, "doc"}},
	} {
		if d := cmp.Diff(c.want, pick(c.s)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestBadOverrides(t *testing.T) {
	_, _, err := Load(Sources{
		File: []byte(`{"shutdown":{"drain":{"min":"50s"}}}`),
		Env: vars{
			"MESHTASK_LOG_LEVEL": "loud", "MESHTASK_NO_DRAIN": "maybe", "MESHTASK_MAX_RUN_TIME": "0s", "MESHTASK_STOP_TIMEOUT": "bad",
		}.lookup,
		Flags: map[string]string{"stop-timeout": "4s", "stop-signal": "TRM", "signal": "all", "retry-join": ","},
	})
	told(t, findings(t, err),
		`--stop-signal: unknown signal "TRM"`, `MESHTASK_NO_DRAIN: must be true or false, got "maybe"`, "MESHTASK_MAX_RUN_TIME: must be greater than 0s, got 0s",
		"--retry-join: required", `--signal: must be one of group, leader, got "all"`, "--stop-timeout: must be at least 5s with a mesh, got 4s",
		"shutdown.drain.min: 50s does not fit", `MESHTASK_LOG_LEVEL: must be one of`)
	if !strings.HasPrefix(err.Error(), "bad configuration:\n  --stop-signal") {
		t.Errorf("without a name of a document: %v", err)
	}
}

func TestGiven(t *testing.T) {
	c, _ := load(t, Sources{File: []byte(with(`"shutdown":{"drain":{"propagationWait":"0s","max":null}}`))})
	d := c.Shutdown.Drain
	if !d.PropagationWait.Given || d.PropagationWait.Duration != 0 || d.Max.Given || d.Min.Given || c.Shutdown.StopTimeout.Given {
		t.Errorf("got %+v, stopTimeout %+v", d, c.Shutdown.StopTimeout)
	}
	c, _ = load(t, Sources{File: []byte(good), Flags: map[string]string{"stop-timeout": "30s"}})
	if !c.Shutdown.StopTimeout.Given {
		t.Error("a flag gives as well")
	}
}

func TestModes(t *testing.T) {
	for _, m := range []Mode{NoMesh, Sibling} {
		c, _ := load(t, Sources{Mode: m, Command: []string{"x"}, Env: vars{"CONSUL_HTTP_TOKEN": "t"}.lookup})
		if len(c.References()) > 0 || c.ACL.Enabled {
			t.Errorf("mode %d: wants secrets %v", m, c.References())
		}
		if want := map[Mode]string{NoMesh: "warn", Sibling: "info"}[m]; c.Log.Level != want {
			t.Errorf("mode %d: log level %s, want %s", m, c.Log.Level, want)
		}
	}
	c, _ := load(t, Sources{Mode: NoMesh, File: []byte(`{"log":{"level":"info"},"shutdown":{"stopTimeout":"2s"},"app":{"restart":{"policy":"always"}},"service":{"port":8301},"consulAgent":{"bindAddress":"127.0.0.1"}}`)})
	if c.Log.Level != "info" || c.App.Restart.Policy != "always" {
		t.Errorf("a given level and policy hold: %+v %+v", c.Log, c.App.Restart)
	}
	_, _, err := Load(Sources{Mode: NoMesh, Flags: map[string]string{"stop-timeout": "500ms"}})
	told(t, findings(t, err), "--stop-timeout: must be at least 1s, got 500ms")
	_, _, err = Load(Sources{Mode: Job})
	told(t, findings(t, err), "consulAgent.retryJoin: required")
}

func TestSecrets(t *testing.T) {
	ref := func(s string) secret.Ref {
		r, err := secret.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	login := `{"consulAgent":{"retryJoin":["a"]},"acl":{"login":{"server":"https://s:1"}}}`
	for name, c := range map[string]struct {
		doc     string
		env     vars
		want    []Reference
		acl     bool
		encrypt bool
		warn    string
	}{
		"none": {good, nil, nil, false, false, ""},
		"variables": {good, vars{"CONSUL_GOSSIP_ENCRYPTION_KEY": "k", "CONSUL_CACERT_PEM": "pem", "CONSUL_CACERT": "/ca", "CONSUL_HTTP_TOKEN": "t", "AGENT_TOKEN": "a"},
			[]Reference{{"consulAgent.gossipKey", ref("env:CONSUL_GOSSIP_ENCRYPTION_KEY")}, {"consulAgent.caCert", ref("env:CONSUL_CACERT_PEM")}, {"acl.serviceToken", ref("env:CONSUL_HTTP_TOKEN")}, {"acl.agentToken", ref("env:AGENT_TOKEN")}}, true, true, ""},
		"CA as text":     {good, vars{"CONSUL_CACERT": "-----BEGIN CERTIFICATE-----\n"}, []Reference{{"consulAgent.caCert", ref("env:CONSUL_CACERT")}}, false, true, ""},
		"CA as a path":   {good, vars{"CONSUL_CACERT": "/ca.pem"}, []Reference{{"consulAgent.caCert", ref("file:/ca.pem")}}, false, true, ""},
		"empty variable": {good, vars{"CONSUL_HTTP_TOKEN": ""}, nil, false, false, ""},
		"fields win": {`{"consulAgent":{"retryJoin":["a"],"caCert":"file:/own","autoEncrypt":false},"acl":{"serviceToken":"env:MINE"}}`, vars{"CONSUL_CACERT": "/ca", "CONSUL_HTTP_TOKEN": "t"},
			[]Reference{{"consulAgent.caCert", ref("file:/own")}, {"acl.serviceToken", ref("env:MINE")}}, true, false, ""},
		"ACLs off": {`{"consulAgent":{"retryJoin":["a"]},"acl":{"enabled":false}}`, vars{"CONSUL_HTTP_TOKEN": "t", "AGENT_TOKEN": "a"}, nil, false, false, ""},
		"ACLs off, token given": {`{"consulAgent":{"retryJoin":["a"]},"acl":{"enabled":false,"serviceToken":"env:X"}}`, nil, nil, false, false,
			"acl.enabled: false: the tokens"},
		"ACLs without a token":   {`{"consulAgent":{"retryJoin":["a"]},"acl":{"enabled":true}}`, nil, nil, true, false, "acl.enabled: true, but there is no token"},
		"login instead":          {login, vars{"CONSUL_HTTP_TOKEN": "t", "CONSUL_CACERT": "/ca"}, []Reference{{"consulAgent.caCert", ref("file:/ca")}, {"acl.login.caCert", ref("file:/ca")}}, true, true, ""},
		"external has no gossip": {`{"consulAgent":{"external":"127.0.0.1:8500"}}`, vars{"CONSUL_GOSSIP_ENCRYPTION_KEY": "k"}, nil, false, false, ""},
		"the app's": {`{"consulAgent":{"retryJoin":["a"]},"app":{"env":{"B":"env:X","A":"file:/a","C":"c"}}}`, nil,
			[]Reference{{"app.env.A", ref("file:/a")}, {"app.env.B", ref("env:X")}}, false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, warnings := load(t, Sources{File: []byte(c.doc), Env: c.env.lookup})
			if d := cmp.Diff(c.want, cfg.References(), cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
			if cfg.ACL.Enabled != c.acl || cfg.ConsulAgent.AutoEncrypt != c.encrypt {
				t.Errorf("ACLs %v, autoEncrypt %v", cfg.ACL.Enabled, cfg.ConsulAgent.AutoEncrypt)
			}
			var want []string
			if c.warn != "" {
				want = []string{c.warn}
			}
			told(t, lines(warnings), want...)
		})
	}
	cfg, _ := load(t, Sources{File: []byte(login[:len(login)-1] + `,"app":{"env":{"B":"env:ZED","C":"env:AGENT_TOKEN"}}}`)})
	want := []string{"AGENT_TOKEN", "CONSUL_CACERT", "CONSUL_CACERT_PEM", "CONSUL_GOSSIP_ENCRYPTION_KEY", "CONSUL_GRPC_CACERT_PEM", "CONSUL_HTTPS_CACERT_PEM", "CONSUL_HTTP_TOKEN", "ZED"}
	if d := cmp.Diff(want, cfg.SecretVariables()); d != "" {
		t.Error(d)
	}
	if l := cfg.ACL.Login; l.Method != "iam-ecs-service-token" || !l.IncludeEntity {
		t.Errorf("login defaults: %+v", l)
	}
}

// A job that nobody is sent to has nothing to drain, unless it is asked for.
func TestJobDrain(t *testing.T) {
	for text, want := range map[string]bool{``: false, `"service":{"port":80}`: true, `"shutdown":{"drain":{"min":"1s"}}`: true, `"shutdown":{"stopTimeout":"20s"}`: false} {
		doc := good
		if text != "" {
			doc = with(text)
		}
		c, _ := load(t, Sources{Mode: Job, File: []byte(doc), Command: []string{"x"}})
		if c.Shutdown.Drain.Enabled != want {
			t.Errorf("%s: drain %v", doc, c.Shutdown.Drain.Enabled)
		}
	}
	c, _ := load(t, Sources{Mode: Job, File: []byte(good), Command: []string{"x"}, Flags: map[string]string{"no-drain": "false"}})
	if !c.Shutdown.Drain.Enabled {
		t.Error("a flag is not kept")
	}
	if c, _ := load(t, Sources{File: []byte(good), Command: []string{"x"}}); !c.Shutdown.Drain.Enabled {
		t.Error("a service drains")
	}
}
