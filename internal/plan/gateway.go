package plan

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/hashicorp/consul/api"

	"meshtask/envoy"
	"meshtask/internal/config"
	"meshtask/internal/registration"
)

// gatewayRegistration is the one registration of a gateway.
func gatewayRegistration(c *config.Config) registration.Registration {
	g := c.Gateway
	out := &registration.Gateway{Kind: api.ServiceKind(g.Kind), Port: g.LANPort()}
	if a := g.LANAddress; a != nil && a.Address != "" {
		out.LAN = &registration.Address{Address: a.Address, Port: g.LANPort()}
	}
	if a := g.WANAddress; a != nil && a.Address != "" {
		out.WAN = &registration.Address{Address: a.Address, Port: g.WANPort()}
	}
	return registration.Registration{
		TaskID: c.Task.ID, TaskARN: c.Task.ARN, Name: g.Name, Tags: g.Tags, Meta: g.Meta, Namespace: g.Namespace, Partition: g.Partition,
		Zone: c.Task.Zone, Revision: c.Task.Revision, LaunchType: c.Task.LaunchType,
		Address: g.Host(c.Task.Address), Proxy: registration.Proxy{Config: g.Proxy.Config}, Gateway: out,
	}
}

// gatewayListen is where Consul has the gateway's Envoy listen, as far as that can be told.
func gatewayListen(c *config.Config) string {
	g := c.Gateway
	host := g.Host(c.Task.Address)
	if _, err := netip.ParseAddr(host); err != nil || !g.BindsItself() {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(g.LANPort()))
}

// roleOf is what Envoy is for.
func roleOf(c *config.Config) envoy.Role {
	if !c.IsGateway() {
		return envoy.Sidecar()
	}
	switch c.Gateway.Kind {
	case config.APIGatewayKind:
		return envoy.APIGateway()
	case config.TerminatingGatewayKind:
		return envoy.TerminatingGateway()
	}
	return envoy.MeshGateway()
}

// IsGateway says whether the task is a gateway.
func (p *Plan) IsGateway() bool { return p.Service != nil && p.Service.Gateway != nil }
