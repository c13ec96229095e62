package taskdef

import (
	"strconv"
	"strings"
)

// App Mesh ended on 2026-09-30: its proxy has nobody to ask for a configuration,
// and its redirection would send the mesh's traffic to it. Both go.

// meshProxy is App Mesh's Envoy: the container that the redirection names, or one
// of its image.
func (c *conversion) meshProxy(container *object) bool {
	name := c.def.obj("proxyConfiguration").str("containerName")
	return name != "" && name == container.str("name") || strings.Contains(container.str("image"), "appmesh-envoy")
}

// undirect takes the redirection out of the definition.
func (c *conversion) undirect() {
	p := c.def.obj("proxyConfiguration")
	if len(p.keys) == 0 {
		return
	}
	c.ports = appPorts(p)
	c.say(Todo, "proxyConfiguration", "gone: %s. Nothing is redirected any more: the app calls an upstream where proxy.upstreams has it (UPSTREAM_<NAME>_URL). The backends are App Mesh's, not in this file: give them with --config", p.compact())
	c.def.del("proxyConfiguration")
}

// appPorts are the ports at which App Mesh redirected what came in.
func appPorts(p *object) []int {
	var out []int
	for _, property := range p.objects("properties") {
		if property.str("name") != "AppPorts" {
			continue
		}
		for text := range strings.SplitSeq(property.str("value"), ",") {
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
		for _, m := range app.objects("portMappings") {
			if p := m.str("appProtocol"); p != "" && m.num("containerPort") == c.doc.obj("service").num("port") {
				c.say(Todo, at(app, "portMappings"), "appProtocol %s is Service Connect's: Consul has it as Protocol in a config entry of kind service-defaults, without which the traffic is tcp", p)
			}
		}
	}
}
