package registration

import (
	"cmp"
	"net"
	"strconv"

	"github.com/hashicorp/consul/api"
)

// Gateway is what a Registration is of that is one service alone: a proxy that nobody is behind.
type Gateway struct {
	Kind     api.ServiceKind // mesh, terminating or API gateway
	Port     int             // 0 is 8443
	LAN, WAN *Address        // tagged addresses; nil: it has none
}

// Address is one at which others find a gateway.
type Address struct {
	Address string
	Port    int
}

const gatewayPort = 8443 // consul-ecs's

// port is where others find the gateway, and where Consul has its Envoy listen unless
// Proxy.Config says something else. That of an API gateway leads nowhere: its config entry has
// the ports.
func (g *Gateway) port() int { return cmp.Or(g.Port, gatewayPort) }

// Parts are all payloads of the task, in the order in which they are registered: the service and
// its sidecar, or a gateway alone. The last is the proxy.
func (r Registration) Parts() []*api.AgentServiceRegistration {
	if r.Gateway != nil {
		return []*api.AgentServiceRegistration{r.gateway()}
	}
	return []*api.AgentServiceRegistration{r.Service(), r.Sidecar()}
}

// IDs are the service IDs of Parts, in the order in which they are taken away.
func (r Registration) IDs() []string {
	if r.Gateway != nil {
		return []string{r.ServiceID()}
	}
	return []string{r.ProxyID(), r.ServiceID()}
}

// ProxyName is the name that the proxy is registered by.
func (r Registration) ProxyName() string {
	if r.Gateway != nil {
		return r.Name
	}
	return r.Name + "-sidecar-proxy"
}

// gateway is the payload that registers a gateway. The check of its listener is critical from the
// start, since others send to a service without checks, and passes once the listener is bound.
func (r Registration) gateway() *api.AgentServiceRegistration {
	s, g := r.common(), r.Gateway
	s.Kind = g.Kind
	s.ID, s.Name, s.Port = r.ServiceID(), r.Name, g.port()
	s.Proxy = &api.AgentServiceConnectProxyConfig{Config: r.Proxy.Config}
	s.Checks = api.AgentServiceChecks{{CheckID: r.ListenerID(), Name: r.gatewayCheckName(), TTL: untilBound, Status: api.HealthCritical}}
	for name, a := range map[string]*Address{"lan": g.LAN, "wan": g.WAN} {
		if a == nil {
			continue
		}
		if s.TaggedAddresses == nil {
			s.TaggedAddresses = map[string]api.ServiceAddress{}
		}
		s.TaggedAddresses[name] = api.ServiceAddress{Address: a.Address, Port: a.Port}
	}
	return s
}

// untilBound has nobody dial a gateway that does not listen yet, which the agent would warn of.
const untilBound = "24h"

func (r Registration) gatewayCheckName() string { return string(r.Gateway.Kind) + " listener" }

// gatewayCheck is that of a gateway's listener, which may be bound elsewhere than it is
// registered. An API gateway is not deregistered for it: its listeners come and go with its
// routes.
func (r Registration) gatewayCheck(bound string) *api.AgentCheckRegistration {
	check := &api.AgentCheckRegistration{
		ID: r.ListenerID(), Name: r.gatewayCheckName(), ServiceID: r.ServiceID(),
		Namespace: r.Namespace, Partition: r.Partition,
		AgentServiceCheck: api.AgentServiceCheck{TCP: dialable(bound, cmp.Or(r.Address, "127.0.0.1"), r.Gateway.port()), Interval: "10s", Status: api.HealthPassing},
	}
	if r.Gateway.Kind != api.ServiceKindAPIGateway {
		check.DeregisterCriticalServiceAfter = "10m"
	}
	return check
}

// dialable is where somebody on this machine reaches what is bound to an address: "" is the host
// and the port that are given.
func dialable(bound, host string, port int) string {
	at := net.JoinHostPort(host, strconv.Itoa(port))
	h, p, err := net.SplitHostPort(bound)
	if err != nil {
		return at
	}
	if ip := net.ParseIP(h); ip == nil || ip.IsUnspecified() {
		h = host
	}
	return net.JoinHostPort(h, p)
}
