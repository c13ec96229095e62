package plan

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"meshtask/consulservers"
	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/secret"
)

// Servers is how a task without a client agent meets Consul.
type Servers struct {
	Hosts       []string // addresses, names, or exec=CMD
	Follow      bool     // servers that come and go are followed
	HTTP        Endpoint
	GRPC        Endpoint
	Node        consulservers.Node // that the task is registered on
	WarmUp      bool
	JoinTimeout time.Duration
	Names       consulservers.Names // of checks
}

// Endpoint is one port of every server.
type Endpoint struct {
	Port       int
	TLS        bool
	CACert     secret.Ref // zero: the system's
	ServerName string     // in the certificate; "": the host's
}

// ServersFile is the list of servers that Envoy watches, in the state directory.
const ServersFile = "consul-servers.json"

func servers(c *config.Config) *Servers {
	s := c.ConsulServers
	if s == nil {
		return nil
	}
	out := &Servers{Hosts: s.Hosts, Follow: !s.SkipServerWatch, WarmUp: s.WarmUp, JoinTimeout: s.JoinTimeout.Duration, Node: node(c),
		HTTP: Endpoint{Port: s.HTTP.Port, TLS: s.HTTP.HTTPS, CACert: s.HTTP.CACert, ServerName: s.HTTP.TLSServerName},
		GRPC: Endpoint{Port: s.GRPC.Port, TLS: s.GRPC.TLS, CACert: s.GRPC.CACert, ServerName: s.GRPC.TLSServerName}}
	for _, e := range []*Endpoint{&out.HTTP, &out.GRPC} { // a name that is dialled is one that a certificate has
		if host := s.Hosts[0]; e.TLS && e.ServerName == "" && !strings.HasPrefix(host, "exec=") {
			if _, err := netip.ParseAddr(host); err != nil {
				e.ServerName = host
			}
		}
	}
	if c.ConsulECS {
		out.Names = consulservers.OfConsulECS
	}
	return out
}

// node is consul-ecs's: that of the cluster, named by its ARN, or as it was given.
func node(c *config.Config) consulservers.Node {
	if c.ConsulServers.Node == config.TaskNode {
		return consulservers.Node{Name: cmp.Or(c.ConsulAgent.NodeName, "ecs-"+c.Task.ID), Address: c.Task.Address, Own: true}
	}
	name := c.Task.Cluster
	if arn, err := ecs.ClusterARN(c.Task.ARN, name); err == nil && !c.Task.Named {
		name = arn
	}
	return consulservers.Node{Name: name, Address: c.Task.Address}
}
