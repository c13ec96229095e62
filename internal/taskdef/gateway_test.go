package taskdef

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestRenderGateway(t *testing.T) {
	d := Description{Name: "Edge", Image: "mesh:1"}
	for name, c := range map[string]struct {
		kind   string
		port   int
		config string
		want   []string
	}{
		"mesh":        {"mesh-gateway", 0, `{"gateway":{"lanAddress":{"port":9443}}}`, []string{`"containerPort": 9443`, `"value": "mesh-gateway"`, `"value": "edge"`}},
		"terminating": {"terminating-gateway", 0, `{"gateway":{"name":"tgw"}}`, []string{`"containerPort": 8443`, `"value": "tgw"`, `"entryPoint": ["meshtask", "run"]`}},
		"API":         {"api-gateway", 8080, `{"shutdown":{"stopTimeout":"60s"}}`, []string{`"containerPort": 8080`, `"stopTimeout": 60`, `["CMD", "meshtask", "health"]`}},
	} {
		one := d
		one.Port = c.port
		r, err := RenderGateway(c.kind, one, Options{RetryJoin: []string{"10.0.0.1"}, Config: []byte(c.config)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !json.Valid(r.New) {
			t.Errorf("%s: no JSON:\n%s", name, r.New)
		}
		for _, want := range c.want {
			if !strings.Contains(string(r.New), want) {
				t.Errorf("%s: no %s in\n%s", name, want, r.New)
			}
		}
		if strings.Contains(string(r.New), `"command": [`) && !strings.Contains(string(r.New), `"CMD"`) {
			t.Errorf("%s: it has a command:\n%s", name, r.New)
		}
	}
	for config, want := range map[string]string{`{}`: "mesh:1 must hold meshtask, consul and envoy", `{"consulServers":{"hosts":["10.0.0.1"],"defaults":{"caCertFile":"/ca.pem"}}}`: "mesh:1 must hold meshtask and envoy"} {
		var o Options
		if o.Config = []byte(config); config == `{}` {
			o.RetryJoin = []string{"10.0.0.1"}
		}
		r, err := RenderGateway("mesh-gateway", d, o)
		if err != nil || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.HasPrefix(f.Text, want) }) {
			t.Errorf("%s: no %q in %v, %v", config, want, r, err)
		}
	}
	for name, bad := range map[string]struct {
		kind string
		d    Description
		o    Options
		want string
	}{
		"kind":    {"ingress-gateway", d, Options{RetryJoin: []string{"a"}}, "gateway.kind: must be one of"},
		"command": {"mesh-gateway", Description{Name: "e", Image: "m", Command: []string{"x"}}, Options{RetryJoin: []string{"a"}}, "leave out --command"},
		"job":     {"mesh-gateway", d, Options{RetryJoin: []string{"a"}, Job: true}, "--job"},
		"nobody":  {"mesh-gateway", d, Options{}, "retryJoin"},
		"no name": {"mesh-gateway", Description{Image: "m"}, Options{}, "--name"},
	} {
		if _, err := RenderGateway(bad.kind, bad.d, bad.o); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v, want %q", name, err, bad.want)
		}
	}
}
