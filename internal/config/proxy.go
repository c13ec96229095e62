package config

import (
	"strconv"
)

// Proxy is the sidecar as Consul sees it, with consul-ecs's keys and the
// addresses that Envoy uses.
type Proxy struct {
	Config                map[string]any `json:"config,omitempty"` // opaque, numbers are float64
	PublicListenerPort    int            `json:"publicListenerPort,omitempty"`
	PublicListenerAddress string         `json:"publicListenerAddress,omitempty"` // empty: all interfaces
	LocalServiceAddress   string         `json:"localServiceAddress,omitempty"`
	Upstreams             []Upstream     `json:"upstreams,omitempty"`
	MeshGateway           *MeshGateway   `json:"meshGateway,omitempty"`
	Expose                *Expose        `json:"expose,omitempty"`
}

// Upstream is a service that the app calls through Envoy.
type Upstream struct {
	DestinationName      string         `json:"destinationName"`
	DestinationType      string         `json:"destinationType,omitempty"` // service, prepared_query
	DestinationNamespace string         `json:"destinationNamespace,omitempty"`
	DestinationPartition string         `json:"destinationPartition,omitempty"`
	DestinationPeer      string         `json:"destinationPeer,omitempty"` // a peered cluster
	Datacenter           string         `json:"datacenter,omitempty"`
	LocalBindAddress     string         `json:"localBindAddress,omitempty"` // empty: Consul's 127.0.0.1
	LocalBindPort        int            `json:"localBindPort"`
	Config               map[string]any `json:"config,omitempty"`
	MeshGateway          *MeshGateway   `json:"meshGateway,omitempty"`
}

// MeshGateway is how traffic reaches other datacenters.
type MeshGateway struct {
	Mode string `json:"mode"` // none, local, remote
}

// Expose opens paths of the app past the proxy's mTLS.
type Expose struct {
	Checks bool         `json:"checks,omitempty"`
	Paths  []ExposePath `json:"paths,omitempty"`
}

// ExposePath is one such path.
type ExposePath struct {
	ListenerPort  int    `json:"listenerPort,omitempty"`
	Path          string `json:"path,omitempty"`
	LocalPathPort int    `json:"localPathPort,omitempty"`
	Protocol      string `json:"protocol,omitempty"` // http, http2
}

func (v checker) proxy() {
	p := &v.c.Proxy
	v.port("proxy.publicListenerPort", p.PublicListenerPort)
	v.ip("proxy.publicListenerAddress", p.PublicListenerAddress)
	v.ip("proxy.localServiceAddress", p.LocalServiceAddress)
	v.gateway("proxy.meshGateway", p.MeshGateway)
	if s, ok := p.Config["bind_address"].(string); ok && s != "" {
		if p.PublicListenerAddress == "" {
			p.PublicListenerAddress = s
			v.ip("proxy.config.bind_address", s)
		} else if s != p.PublicListenerAddress {
			v.error("proxy.config.bind_address", "is %q, but proxy.publicListenerAddress is %q: set only the latter", s, p.PublicListenerAddress)
		}
	}
	if n, ok := p.Config["bind_port"].(float64); ok && int(n) != p.PublicListenerPort {
		v.error("proxy.config.bind_port", "is %s, but proxy.publicListenerPort is %d: set only the latter", strconv.FormatFloat(n, 'f', -1, 64), p.PublicListenerPort)
	}
}

func (v checker) gateway(path string, g *MeshGateway) {
	switch {
	case g == nil:
	case g.Mode == "":
		v.error(path+".mode", "required: none, local or remote")
	default:
		v.oneOf(path+".mode", g.Mode, "none", "local", "remote")
	}
}

func (v checker) upstreams() {
	for i, u := range v.c.Proxy.Upstreams {
		at := index("proxy.upstreams", i)
		if u.DestinationName == "" {
			v.error(at+".destinationName", "required")
		}
		if v.given[at+".localBindPort"] {
			v.port(at+".localBindPort", u.LocalBindPort)
		} else {
			v.error(at+".localBindPort", "required: the port on which the app finds %s", strconv.Quote(u.DestinationName))
		}
		if u.DestinationPeer != "" {
			for _, f := range [][2]string{{"datacenter", u.Datacenter}, {"destinationPartition", u.DestinationPartition}} {
				if f[1] != "" {
					v.error(at+".destinationPeer", "excludes %s: the peering says where the service is", f[0])
				}
			}
			if u.DestinationType == "prepared_query" {
				v.error(at+".destinationPeer", "excludes destinationType prepared_query: a query names its peers itself")
			}
		}
		v.oneOf(at+".destinationType", u.DestinationType, "service", "prepared_query")
		v.ip(at+".localBindAddress", u.LocalBindAddress)
		v.gateway(at+".meshGateway", u.MeshGateway)
	}
}

func (v checker) expose() {
	if v.c.Proxy.Expose == nil {
		return
	}
	for i, p := range v.c.Proxy.Expose.Paths {
		at := index("proxy.expose.paths", i)
		v.port(at+".listenerPort", p.ListenerPort)
		v.port(at+".localPathPort", p.LocalPathPort)
		if len(p.Path) == 0 || p.Path[0] != '/' {
			v.error(at+".path", "must begin with /, got %q", p.Path)
		}
		v.oneOf(at+".protocol", p.Protocol, "http", "http2")
	}
}
