package taskdef

import (
	"strconv"
	"strings"

	"meshtask/internal/jsontree"
)

// App Mesh ended on 2026-09-30: its proxy has nobody to ask for a configuration,
// and its redirection would send the mesh's traffic to it. Both go.

// meshProxy is App Mesh's Envoy: the container that the redirection names, or one
// of its image.
func (c *conversion) meshProxy(container *jsontree.Object) bool {
	name := c.def.Obj("proxyConfiguration").Str("containerName")
	return name != "" && name == container.Str("name") || strings.Contains(container.Str("image"), "appmesh-envoy")
}

// removeRedirection takes the redirection out of the definition.
func (c *conversion) removeRedirection() {
	p := c.def.Obj("proxyConfiguration")
	if len(p.Keys()) == 0 {
		return
	}
	c.ports = appPorts(p)
	c.say(Todo, "proxyConfiguration", "gone: %s. Nothing is redirected any more: the app calls an upstream where proxy.upstreams has it (UPSTREAM_<NAME>_URL). The backends are App Mesh's, not in this file: give them with --config", jsontree.Compact(p))
	c.def.Del("proxyConfiguration")
}

// appPorts are the ports at which App Mesh redirected what came in.
func appPorts(p *jsontree.Object) []int {
	var out []int
	for _, property := range p.Objects("properties") {
		if property.Str("name") != "AppPorts" {
			continue
		}
		for text := range strings.SplitSeq(property.Str("value"), ",") {
			if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// protocols says where Consul has what ECS's port mappings say of it.
func (c *conversion) protocols() {
	for _, app := range c.apps {
		for _, m := range app.Objects("portMappings") {
			if p := m.Str("appProtocol"); p != "" && m.Num("containerPort") == c.doc.Obj("service").Num("port") {
				c.say(Todo, at(app, "portMappings"), "appProtocol %s is Service Connect's: Consul has it as Protocol in a config entry of kind service-defaults, without which the traffic is tcp", p)
			}
		}
	}
}
