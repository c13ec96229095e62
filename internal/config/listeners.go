package config

import (
	"net"
	"net/netip"
)

// listener is an address that something of the task will bind.
type listener struct {
	path string
	host string // empty: all interfaces; taskHost: not known yet
	port int
}

// taskHost stands for the task's address where it is not known.
const taskHost = "task.address"

// listeners are all that will be bound when the task's address is addr, which
// is empty when it is not known yet.
func (c *Config) listeners(addr string) []listener {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	local := "127.0.0.1"
	if loopback(addr) {
		local = addr
	}
	a, p := c.ConsulAgent, c.Proxy
	public := p.PublicListenerAddress
	if public == "" && loopback(addr) {
		public = addr
	}
	list := []listener{
		{"proxy.publicListenerPort", public, p.PublicListenerPort},
		{"service.port", or(p.LocalServiceAddress, local), c.Service.Port},
	}
	if c.IsGateway() {
		list = c.Gateway.listeners(or(addr, taskHost))
	}
	if a.External == "" && c.ConsulServers == nil {
		client := or(a.ClientAddr, local)
		list = append(list,
			listener{"consulAgent.ports.http", client, a.Ports.HTTP},
			listener{"consulAgent.ports.https", client, a.Ports.HTTPS},
			listener{"consulAgent.ports.grpc", client, a.Ports.GRPC},
			listener{"consulAgent.ports.grpc_tls", client, a.Ports.GRPCTLS},
			listener{"consulAgent.ports.dns", client, a.Ports.DNS},
			listener{"consulAgent.ports.serf_lan", or(a.BindAddress, or(addr, taskHost)), a.Ports.SerfLAN})
	}
	for i, u := range p.Upstreams {
		list = append(list, listener{index("proxy.upstreams", i) + ".localBindPort", or(u.LocalBindAddress, local), u.LocalBindPort})
	}
	if p.Expose != nil {
		for i, e := range p.Expose.Paths {
			list = append(list, listener{index("proxy.expose.paths", i) + ".listenerPort", public, e.ListenerPort})
		}
	}
	for _, l := range [][2]string{{"admin.listen", c.Admin.Listen}, {"admin.metrics", c.Admin.Metrics}, {"envoy.admin", c.Envoy.Admin}} {
		if host, port, ok := split(l[1]); ok {
			list = append(list, listener{l[0], host, port})
		}
	}
	return list
}

// split takes HOST:PORT apart; localhost is 127.0.0.1.
func split(s string) (host string, port int, ok bool) {
	ap, err := netip.ParseAddrPort(s)
	if err == nil {
		return ap.Addr().String(), int(ap.Port()), true
	}
	host, p, err := net.SplitHostPort(s)
	if err != nil || host != "localhost" {
		return "", 0, false
	}
	ap, err = netip.ParseAddrPort("127.0.0.1:" + p)
	return ap.Addr().String(), int(ap.Port()), err == nil
}

// collisions refuses two listeners on one port of one address.
func (v checker) collisions(list []listener) {
	type place struct {
		host string // "": any
		port int
	}
	first := map[place]string{} // path
	on := map[int]string{}      // the first listener of a port, at whatever address
	for _, l := range list {
		if l.port <= 0 {
			continue
		}
		at := place{l.host, l.port}
		if ip, err := netip.ParseAddr(l.host); err == nil {
			at.host = ip.Unmap().String()
		}
		if anywhere(at.host) {
			at.host = ""
		}
		other, taken := first[at]
		if !taken {
			other, taken = first[place{"", l.port}]
		}
		if !taken && at.host == "" {
			other, taken = on[l.port]
		}
		if taken {
			v.error(l.path, "%d is also the port of %s", l.port, other)
		}
		if first[at] == "" {
			first[at] = l.path
		}
		if on[l.port] == "" {
			on[l.port] = l.path
		}
	}
}

// anywhere says whether an address is all interfaces.
func anywhere(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}

// adminPort is where the sibling layout's lease is by default.
const adminPort = "9902"

// defaultAddresses sets the addresses: where the task's own is a loopback address,
// everything is on it, so that several tasks share a machine.
func (c *Config) defaultAddresses() {
	t, a, p := c.Task, &c.ConsulAgent, &c.Proxy
	local := "127.0.0.1"
	if loopback(t.Address) {
		local = t.Address
		if p.PublicListenerAddress == "" {
			p.PublicListenerAddress = local
		}
	}
	for i := range p.Upstreams { // elsewhere Consul's own default holds, unsaid
		if u := &p.Upstreams[i]; u.LocalBindAddress == "" && loopback(t.Address) {
			u.LocalBindAddress = local
		}
	}
	if c.Admin.Listen == "" {
		c.Admin.Listen = "off"
		if c.Mode == Run && len(c.App.Command) == 0 {
			c.Admin.Listen = net.JoinHostPort(local, adminPort)
		}
	}
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&a.ClientAddr, local}, {&a.BindAddress, t.Address}, {&a.NodeName, "ecs-" + t.ID},
		{&p.LocalServiceAddress, local},
	} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
}

// address says whether a host is an IP address, or localhost.
func address(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Zone() == ""
}

// local says whether a host is this machine only.
func local(host string) bool { return host == "localhost" || loopback(host) }

// loopback says whether an address is one of this machine only.
func loopback(addr string) bool {
	a, err := netip.ParseAddr(addr)
	return err == nil && a.IsLoopback()
}
