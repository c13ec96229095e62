package config

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"meshtask/internal/servicename"
)

// Gateway makes the task a gateway of the mesh: Envoy and no app. Words are those of consul-ecs
// 0.5 to 0.10.
type Gateway struct {
	Kind       string            `json:"kind"`
	Name       string            `json:"name,omitempty"`       // default: task family, lower-cased
	LANAddress *GatewayAddress   `json:"lanAddress,omitempty"` // of a mesh gateway
	WANAddress *GatewayAddress   `json:"wanAddress,omitempty"` // of a mesh gateway: what other datacenters dial
	Tags       []string          `json:"tags,omitempty"`
	Meta       map[string]string `json:"meta,omitempty"` // without task-id, task-arn and source, which are ours
	Namespace  string            `json:"namespace,omitempty"`
	Partition  string            `json:"partition,omitempty"`
	Proxy      GatewayProxy      `json:"proxy,omitzero"`

	HealthCheckPort int `json:"healthCheckPort,omitempty"` // consul-dataplane's; not used
}

// GatewayAddress is where a mesh gateway is said to be.
type GatewayAddress struct {
	Address string `json:"address,omitempty"`
	Port    int    `json:"port,omitempty"`
}

// GatewayProxy is the proxy of a gateway as Consul sees it.
type GatewayProxy struct {
	Config map[string]any `json:"config,omitempty"` // opaque, numbers are float64
}

// The kinds of gateways.
const (
	MeshGatewayKind        = "mesh-gateway"
	TerminatingGatewayKind = "terminating-gateway"
	APIGatewayKind         = "api-gateway"
)

// GatewayKinds are all of them.
func GatewayKinds() []string {
	return []string{MeshGatewayKind, TerminatingGatewayKind, APIGatewayKind}
}

const (
	gatewayPort = 8443 // consul-ecs's

	// balancerWait is the default of shutdown.drain.min of an API gateway: a load balancer in
	// front of it goes on sending for a while after ECS has told it of the stop.
	balancerWait = 15 * time.Second
)

// IsGateway says whether the task is a gateway.
func (c *Config) IsGateway() bool { return c.Gateway != nil && c.Mode.Mesh() }

// LANPort is where the mesh finds the gateway.
func (g *Gateway) LANPort() int {
	if g.LANAddress == nil {
		return gatewayPort
	}
	return cmp.Or(g.LANAddress.Port, gatewayPort)
}

// WANPort is where other datacenters find it.
func (g *Gateway) WANPort() int {
	if g.WANAddress == nil {
		return g.LANPort()
	}
	return cmp.Or(g.WANAddress.Port, g.LANPort())
}

// BindsItself says whether Consul has Envoy listen at the address that the gateway is registered
// with.
func (g *Gateway) BindsItself() bool {
	return g.Kind != APIGatewayKind && g.Proxy.Config["envoy_gateway_no_default_bind"] != true
}

// Host is the address that the gateway is registered with, at a task with this one.
func (g *Gateway) Host(task string) string {
	if g.LANAddress != nil && g.LANAddress.Address != "" {
		return g.LANAddress.Address
	}
	return task
}

// listeners are those that Envoy is known to bind.
func (g *Gateway) listeners(task string) []listener {
	if !g.BindsItself() {
		return nil
	}
	return []listener{{"gateway.lanAddress.port", g.Host(task), g.LANPort()}}
}

// besideGateway are the fields that a gateway has no use for, each with what to put there instead
// of what was given.
func (c *Config) besideGateway() []struct {
	path  string
	clear func()
} {
	plain := preset()
	return []struct {
		path  string
		clear func()
	}{
		{"service", func() { c.Service = plain.Service }},
		{"proxy", func() { c.Proxy = plain.Proxy }},
		{"healthSyncContainers", func() { c.HealthSyncContainers = nil }},
		{"health.app", func() { c.Health.App = nil }},
		{"app", func() { // app.stopOn is the task's
			c.App, plain.App = plain.App, c.App
			c.App.Command, c.App.StopOn = plain.App.Command, plain.App.StopOn
		}},
	}
}

// fillGateway sets what follows from the task being a gateway: as with consul-ecs, it wins over
// the service.
func (c *Config) fillGateway(r *report) {
	if !c.IsGateway() {
		return
	}
	for _, b := range c.besideGateway() {
		if r.forget(b.path, "app.command", "app.stopOn") {
			r.warn(b.path, "not used: gateway makes this task a gateway, which has no app beside it")
		}
		b.clear()
	}
	if d, stop := &c.Shutdown.Drain.Min, c.Shutdown.StopTimeout.Duration; c.Gateway.Kind == APIGatewayKind && !r.given["shutdown.drain.min"] {
		*d = after(min(balancerWait, stop/2))
		if m := c.Shutdown.Drain.Max; m.Given {
			*d = after(min(d.Duration, m.Duration))
		}
	}
}

// forget takes back that a field was given, and what is in it, but not those that are kept; it
// says whether any was.
func (r *report) forget(path string, kept ...string) (any bool) {
	for at := range r.given {
		below := at != path && (strings.HasPrefix(at, path+".") || strings.HasPrefix(at, path+"["))
		if at != path && !below || slices.ContainsFunc(kept, func(k string) bool { return at == k || strings.HasPrefix(at, k+"[") }) {
			continue
		}
		delete(r.given, at)
		any = any || below || path != "app"
	}
	return any
}

// resolveGateway makes the gateway the task's service.
func (c *Config) resolveGateway() {
	if !c.IsGateway() {
		return
	}
	g := c.Gateway
	g.Name = cmp.Or(g.Name, servicename.Default(c.Task.Family))
	c.Service = Service{Name: g.Name, Tags: g.Tags, Meta: g.Meta, Namespace: g.Namespace, Partition: g.Partition}
}

// gatewayTask checks gateway.
func (v checker) gatewayTask() {
	g := v.c.Gateway
	if g == nil || !v.c.Mode.Mesh() {
		return
	}
	if g.Kind == "" {
		v.error("gateway.kind", "required: one of %s", strings.Join(GatewayKinds(), ", "))
	} else {
		v.oneOf("gateway.kind", g.Kind, GatewayKinds()...)
	}
	if len(v.c.App.Command) > 0 {
		v.error("gateway", "a gateway runs no command, got %q: remove it, or gateway", v.c.App.Command[0])
	}
	if v.c.Mode == Job {
		v.error("gateway", "a gateway does not run to an end of its own: leave out --job")
	}
	v.match("gateway.name", g.Name, name, nameForm)
	if err := servicename.Check(g.Name); g.Name != "" && name(g.Name) && err != nil {
		v.warn("gateway.name", "%q %v; the ACL controller does not serve it", g.Name, err)
	}
	v.distinct("gateway.tags", g.Tags)
	g.Meta = v.metaOf("gateway.meta", g.Meta)
	if v.given["gateway.healthCheckPort"] {
		v.warn("gateway.healthCheckPort", "not used: nothing listens there; ask `meshtask health` instead")
	}
	v.gatewayAddresses(g)
}

// gatewayAddresses checks what only a mesh gateway has.
func (v checker) gatewayAddresses(g *Gateway) {
	for _, a := range []struct {
		path string
		to   **GatewayAddress
	}{{"gateway.lanAddress", &g.LANAddress}, {"gateway.wanAddress", &g.WANAddress}} {
		switch {
		case *a.to == nil:
			continue
		case g.Kind != MeshGatewayKind:
			v.warn(a.path, "not used: only a mesh gateway has it; the port of a %s is %s", g.Kind, portOf(g.Kind))
			*a.to = nil
			continue
		}
		v.match(a.path+".address", (*a.to).Address, hostname, "an IP address or a name")
		if v.given[a.path+".port"] && (*a.to).Port != 0 {
			v.port(a.path+".port", (*a.to).Port)
		}
	}
	if w := g.WANAddress; w != nil && w.Address == "" && w.Port != 0 {
		v.warn("gateway.wanAddress.port", "not used without gateway.wanAddress.address")
	}
}

// portOf says where a gateway that takes no address listens.
func portOf(kind string) string {
	if kind == APIGatewayKind {
		return "in its api-gateway config entry"
	}
	return "8443"
}
