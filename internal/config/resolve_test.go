package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/ecs"
)

func TestResolveOnECS(t *testing.T) {
	c := resolved(t, Sources{File: []byte(with(`"service":{"port":8080},"proxy":{"upstreams":[{"destinationName":"api","localBindPort":9191}]}`)), Command: []string{"x"}}, fargate())
	if c.Task != (Task{ID: "0a1b", Family: "Web-App", Cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/prod", Address: "10.0.1.7",
		ARN: "arn:aws:ecs:us-east-1:123456789012:task/prod/0a1b", Container: "main", Zone: "us-east-1a", Revision: "41", LaunchType: "FARGATE"}) {
		t.Errorf("task %+v", c.Task)
	}
	a, p := c.ConsulAgent, c.Proxy
	got := []string{c.Service.Name, a.NodeName, a.BindAddress, a.ClientAddr, p.PublicListenerAddress, p.LocalServiceAddress, p.Upstreams[0].LocalBindAddress, c.Health.Container, c.App.Ready.TCP, c.Admin.Listen}
	want := []string{"web-app", "ecs-0a1b", "10.0.1.7", "127.0.0.1", "", "127.0.0.1", "", "main", "127.0.0.1:8080", "off"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// One field puts everything on a loopback address.
func TestResolveOnLoopback(t *testing.T) {
	doc := with(`"task":{"address":"127.0.0.7"},"service":{"port":8080},"proxy":{"upstreams":[{"destinationName":"api","localBindPort":9191},{"destinationName":"b","localBindPort":9192,"localBindAddress":"127.0.0.1"}]}`)
	c := resolved(t, Sources{File: []byte(doc)}, ecs.Local())
	a, p := c.ConsulAgent, c.Proxy
	got := []string{c.Service.Name, c.Task.Cluster, a.BindAddress, a.ClientAddr, p.PublicListenerAddress, p.LocalServiceAddress, p.Upstreams[0].LocalBindAddress, p.Upstreams[1].LocalBindAddress, c.Health.Container, c.App.Ready.TCP, c.Admin.Listen}
	want := []string{"local", "local", "127.0.0.7", "127.0.0.7", "127.0.0.7", "127.0.0.7", "127.0.0.7", "127.0.0.1", "app", "127.0.0.7:8080", "127.0.0.7:9902"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	c = resolved(t, Sources{File: []byte(with(`"task":{"address":"::1"},"service":{"port":8080}`))}, ecs.Local())
	if c.App.Ready.TCP != "[::1]:8080" || c.Admin.Listen != "[::1]:9902" {
		t.Errorf("IPv6: %s, %s", c.App.Ready.TCP, c.Admin.Listen)
	}
}

func TestResolveKeepsWhatWasGiven(t *testing.T) {
	c := resolved(t, Sources{File: examples(t)["everything.json"]}, fargate())
	a, p := c.ConsulAgent, c.Proxy
	got := []string{c.Task.ID, c.Task.Family, c.Task.Cluster, c.Task.Address, c.Task.ARN, c.Service.Name, a.NodeName, a.BindAddress, p.LocalServiceAddress, c.Health.Container, c.Admin.Listen}
	want := []string{"abc", "web", "prod", "10.0.0.7", fargate().ARN, "web", "node-1", "10.0.0.7", "127.0.0.2", "web", "127.0.0.1:9999"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if r := c.App.Ready; r.FD != 3 || r.TCP != "" || r.Started {
		t.Errorf("ready %+v", r)
	}
}

func TestReadiness(t *testing.T) {
	for doc, want := range map[string]string{
		`"service":{"port":8080}`:                                             `{"tcp":"127.0.0.1:8080","timeout":"5m0s"}`,
		`"service":{"port":8080},"app":{"ready":{"timeout":"1m"}}`:            `{"tcp":"127.0.0.1:8080","timeout":"1m0s"}`,
		`"service":{"port":8080},"app":{"ready":"started"}`:                   `"started"`,
		`"service":{"name":"x"}`:                                              `"started"`,
		`"app":{"ready":{"exec":["a"]}}`:                                      `{"exec":["a"],"timeout":"5m0s"}`,
		`"service":{"port":1},"app":{"ready":{"http":"http://h/","fd":null}}`: `{"http":"http://h/","timeout":"5m0s"}`,
	} {
		c := resolved(t, Sources{File: []byte(with(doc))}, fargate())
		if got, err := json.Marshal(c.App.Ready); err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v; want %s", doc, got, err, want)
		}
	}
	c := resolved(t, Sources{Mode: NoMesh, File: []byte(`{"service":{"port":8080}}`)}, ecs.Identity{})
	if !c.App.Ready.Started || c.Admin.Listen != "off" {
		t.Errorf("without a mesh: ready %+v, admin %s", c.App.Ready, c.Admin.Listen)
	}
}

func TestResolveRefuses(t *testing.T) {
	host := fargate()
	host.Address = ""
	for name, c := range map[string]struct {
		doc  string
		id   ecs.Identity
		want []string
	}{
		"loop":        {`"healthSyncContainers":["worker","main"]`, fargate(), []string{`healthSyncContainers[1]: "main" is meshtask's own container: its ECS health`}},
		"two sources": {`"healthSyncContainers":["app"],"health":{"app":{"command":["CMD","x"]}}`, ecs.Local(), []string{`healthSyncContainers[0]: "app" is also the container of health.app`}},
		"no address":  {`"log":{}`, host, []string{"task.address: required: the task metadata endpoint gives none"}},
		"collision":   {`"service":{"port":8301}`, ecs.Local(), []string{"consulAgent.ports.serf_lan: 8301 is also the port of service.port"}},
		"lease":       {`"service":{"port":9902}`, fargate(), []string{"admin.listen: 9902 is also the port of service.port"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := load(t, Sources{File: []byte(with(c.doc))})
			err := cfg.Resolve(c.id)
			told(t, findings(t, err), c.want...)
		})
	}
}

// A literal that looks like a reference stays a literal, also when written.
func TestLiterals(t *testing.T) {
	doc := with(`"app":{"env":{"A":{"value":"file:test.db"},"B":"file:/secret","C":"plain"}}`)
	for range 2 {
		c, _ := load(t, Sources{File: []byte(doc)})
		e := c.App.Env
		if e["A"].Value != "file:test.db" || !e["A"].From.IsZero() || e["B"].From.Path != "/secret" || e["B"].Value != "" || e["C"].Value != "plain" {
			t.Errorf("got %+v", e)
		}
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		doc = string(out)
	}
}

// What Load made, written as JSON, loads to the same again.
func TestStable(t *testing.T) {
	for name, doc := range examples(t) {
		stable(t, name, doc)
	}
}

func stable(t *testing.T, name string, doc []byte) {
	t.Helper()
	c, _, err := Load(Sources{File: doc, Flags: join1})
	if err != nil {
		return
	}
	for range 2 {
		first, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, warnings, err := Load(Sources{File: first})
		if err != nil || len(warnings) > 0 && !strings.Contains(string(doc), "external") && !strings.Contains(string(doc), "admin") && !strings.Contains(string(doc), "acl") && !strings.Contains(string(doc), "checks") {
			t.Fatalf("%s: what was loaded does not load: %v %v\n%s", name, warnings, err, first)
		}
		second, err := json.Marshal(again)
		if err != nil || string(first) != string(second) {
			t.Fatalf("%s: not stable: %v\n%s", name, err, cmp.Diff(string(first), string(second)))
		}
		if c.Resolve(fargate()) != nil {
			return
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, doc := range []string{good, `{"app":{"ready":"started","env":{"A":{"value":"env:x"}}}}`, `{"a":[null,1e9,"\u0000"],"a":2}`} {
		f.Add([]byte(doc), true)
	}
	for _, name := range []string{"contract", "everything", "checks", "consul-ecs-extensive", "consul-ecs-nulls"} {
		doc := read(f, name)
		f.Add(doc, false)
	}
	f.Fuzz(func(t *testing.T, doc []byte, consul bool) {
		if consul {
			c, _, err := consulECS(string(doc), join1)
			if (c == nil) == (err == nil) {
				t.Fatalf("config %v, error %v", c, err)
			}
		}
		stable(t, "fuzz", doc)
	})
}
