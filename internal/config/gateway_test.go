package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/ecs"
)

// with a gateway's document, which lacks the braces around it.
func gatewayOf(t *testing.T, mode Mode, command []string, doc string) (*Config, []string, error) {
	t.Helper()
	c, warnings, err := Load(Sources{Mode: mode, Command: command, Name: "g", File: []byte(`{"consulAgent":{"retryJoin":["10.0.0.1"]},` + doc + `}`)})
	var said []string
	for _, w := range warnings {
		said = append(said, w.String())
	}
	return c, said, err
}

func TestGateway(t *testing.T) {
	for name, c := range map[string]struct {
		doc, name string
		lan, wan  int
		bind      []listener
		min       time.Duration
	}{
		"least":          {`"gateway":{"kind":"mesh-gateway"}`, "web", 8443, 8443, []listener{{"gateway.lanAddress.port", "10.0.3.9", 8443}}, 0},
		"WAN is LAN":     {`"gateway":{"kind":"mesh-gateway","name":"m","lanAddress":{"port":9443},"wanAddress":{"address":"203.0.113.7"}}`, "m", 9443, 9443, []listener{{"gateway.lanAddress.port", "10.0.3.9", 9443}}, 0},
		"both":           {`"gateway":{"kind":"mesh-gateway","lanAddress":{"address":"10.1.1.1","port":1},"wanAddress":{"address":"203.0.113.7","port":2}}`, "web", 1, 2, []listener{{"gateway.lanAddress.port", "10.1.1.1", 1}}, 0},
		"bound by hand":  {`"gateway":{"kind":"terminating-gateway","proxy":{"config":{"envoy_gateway_no_default_bind":true}}}`, "web", 8443, 8443, nil, 0},
		"API":            {`"gateway":{"kind":"api-gateway"}`, "web", 8443, 8443, nil, 15 * time.Second},
		"API, its own":   {`"gateway":{"kind":"api-gateway"},"shutdown":{"drain":{"min":"3s"}}`, "web", 8443, 8443, nil, 3 * time.Second},
		"API, tight":     {`"gateway":{"kind":"api-gateway"},"shutdown":{"stopTimeout":"8s"}`, "web", 8443, 8443, nil, 4 * time.Second},
		"API, with max":  {`"gateway":{"kind":"api-gateway"},"shutdown":{"drain":{"max":"2s"}}`, "web", 8443, 8443, nil, 2 * time.Second},
		"an empty name":  {`"gateway":{"kind":"api-gateway","name":""}`, "web", 8443, 8443, nil, 15 * time.Second},
		"transparent no": {`"gateway":{"kind":"mesh-gateway"},"transparentProxy":{"enabled":true}`, "web", 8443, 8443, []listener{{"gateway.lanAddress.port", "10.0.3.9", 8443}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := gatewayOf(t, Run, nil, c.doc)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v %v", warnings, err)
			}
			if err := got.Resolve(ecs.Identity{ID: "1", Family: "Web", Cluster: "c", Address: "10.0.3.9"}); err != nil {
				t.Fatal(err)
			}
			g := got.Gateway
			if got.Service.Name != c.name || g.LANPort() != c.lan || g.WANPort() != c.wan || got.Shutdown.Drain.Min.Duration != c.min {
				t.Errorf("name %q, LAN %d, WAN %d, min %s", got.Service.Name, g.LANPort(), g.WANPort(), got.Shutdown.Drain.Min)
			}
			if diff := cmp.Diff(fmt.Sprint(c.bind), fmt.Sprint(g.listeners("10.0.3.9"))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The gateway wins over what is beside it, as with consul-ecs, and says so.
func TestGatewayWins(t *testing.T) {
	c, warnings, err := gatewayOf(t, Run, nil, `"gateway":{"kind":"terminating-gateway","healthCheckPort":22000,"lanAddress":{"port":1},"wanAddress":{"port":2}},
		"service":{"name":"Not a name","port":99999},"proxy":{"upstreams":[{"destinationName":"x"}]},"healthSyncContainers":["a"],"health":{"app":{"command":["CMD","x"]}},
		"app":{"ready":{"tcp":"127.0.0.1:1"},"stopOn":["QUIT"]}`)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Service; s.Name != "" || s.Port != 0 || len(c.Proxy.Upstreams)+len(c.HealthSyncContainers) > 0 || c.Health.App != nil || c.App.Ready.TCP != "" || len(c.App.StopOn) != 1 {
		t.Errorf("%+v %+v %+v", s, c.Proxy, c.App)
	}
	for _, path := range []string{"service", "proxy", "healthSyncContainers", "health.app", "app", "gateway.lanAddress", "gateway.wanAddress", "gateway.healthCheckPort"} {
		if !strings.Contains(strings.Join(warnings, "\n"), path+": not used") {
			t.Errorf("%s is not warned of: %q", path, warnings)
		}
	}
	if len(warnings) != 8 {
		t.Errorf("%q", warnings)
	}
}

func TestBadGateway(t *testing.T) {
	for name, c := range map[string]struct {
		mode    Mode
		command []string
		doc     string
		want    string
	}{
		"kind":     {Run, nil, `"gateway":{"kind":"ingress-gateway"}`, `gateway.kind: must be one of mesh-gateway, terminating-gateway, api-gateway, got "ingress-gateway"`},
		"no kind":  {Run, nil, `"gateway":{"name":"x"}`, "gateway.kind: required"},
		"command":  {Run, []string{"server"}, `"gateway":{"kind":"mesh-gateway"}`, `gateway: a gateway runs no command, got "server"`},
		"given":    {Run, nil, `"gateway":{"kind":"mesh-gateway"},"app":{"command":["server"]}`, `gateway: a gateway runs no command, got "server"`},
		"job":      {Job, []string{"x"}, `"gateway":{"kind":"mesh-gateway"}`, "leave out --job"},
		"name":     {Run, nil, `"gateway":{"kind":"mesh-gateway","name":"a b"}`, "gateway.name: must be"},
		"port":     {Run, nil, `"gateway":{"kind":"mesh-gateway","lanAddress":{"port":70000}}`, "gateway.lanAddress.port: must be 1–65535"},
		"address":  {Run, nil, `"gateway":{"kind":"mesh-gateway","wanAddress":{"address":"http://x"}}`, "gateway.wanAddress.address: must be"},
		"unknown":  {Run, nil, `"gateway":{"kind":"mesh-gateway","port":1}`, "gateway.port: unknown key"},
		"meta":     {Run, nil, `"gateway":{"kind":"mesh-gateway","meta":{"a b":"c"}}`, "keys must have"},
		"the port": {Run, nil, `"gateway":{"kind":"mesh-gateway"},"envoy":{"admin":"127.0.0.1:8443"},"task":{"address":"127.0.0.1"}`, "8443 is also the port of"},
	} {
		if _, _, err := gatewayOf(t, c.mode, c.command, c.doc); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// `run --no-mesh` and `meshtask app` have no mesh, and so no gateway.
func TestGatewayWithoutAMesh(t *testing.T) {
	c, warnings, err := gatewayOf(t, NoMesh, []string{"server"}, `"gateway":{"kind":"mesh-gateway"},"service":{"port":80}`)
	if err != nil || len(warnings) > 0 || c.IsGateway() {
		t.Errorf("%v %v", warnings, err)
	}
}
