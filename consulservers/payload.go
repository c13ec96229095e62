package consulservers

import (
	"maps"
	"net"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/registration"
)

// Registrations are the first writes of a task: its service, and its sidecar, or a gateway.
func Registrations(node Node, r registration.Registration, n Names, synced []Synced) (list []*api.CatalogRegistration) {
	p := newPicture(r, n, synced)
	for _, w := range writes(r, r.Parts(), &p) {
		list = append(list, w.payload(node, r))
	}
	return list
}

// writes registers the parts, of which the last is the proxy.
func writes(r registration.Registration, parts []*api.AgentServiceRegistration, p *picture) (list []write) {
	last := len(parts) - 1
	for _, part := range parts[:last] {
		list = append(list, write{catalogService(part, part.Port), p.service()})
	}
	return append(list, write{proxy(r, parts[last], parts[last].Port), p.sidecar()})
}

// write is one registration: of a service with checks, or of checks alone.
type write struct {
	service *api.AgentService
	checks  api.HealthChecks
}

// payload is the write as the catalog takes it.
func (w write) payload(node Node, r registration.Registration) *api.CatalogRegistration {
	out := &api.CatalogRegistration{Node: node.Name, Address: node.Address, SkipNodeUpdate: true, NodeMeta: map[string]string{"synthetic-node": "true"},
		Service: w.service, Checks: w.checks, Partition: r.Partition}
	if node.Own { // a task that is killed before it has a service is found by it
		out.NodeMeta = r.Own()
	}
	for _, check := range w.checks {
		check.Node = node.Name
	}
	return out
}

// proxy is a sidecar's payload, said to be at a port. Its own listener is where it always
// was: bind_address and bind_port say so. A gateway, which is never moved, needs no such words.
func proxy(r registration.Registration, s *api.AgentServiceRegistration, port int) *api.AgentService {
	if r.Gateway != nil {
		return catalogService(s, port)
	}
	config := map[string]any{"bind_address": anywhere(r), "bind_port": s.Port}
	maps.Copy(config, s.Proxy.Config)
	s.Proxy.Config = config
	return catalogService(s, port)
}

// anywhere is all interfaces.
func anywhere(r registration.Registration) string {
	if ip := net.ParseIP(r.Address); ip != nil && ip.To4() == nil {
		return "::"
	}
	return "0.0.0.0"
}

// catalogService is an agent's payload as the catalog takes it.
func catalogService(s *api.AgentServiceRegistration, port int) *api.AgentService {
	out := &api.AgentService{Kind: s.Kind, ID: s.ID, Service: s.Name, Tags: s.Tags, Meta: s.Meta, Port: port, Address: s.Address,
		TaggedAddresses: s.TaggedAddresses, EnableTagOverride: s.EnableTagOverride, Proxy: s.Proxy, Namespace: s.Namespace, Partition: s.Partition, Locality: s.Locality,
		Weights: api.AgentWeights{Passing: 1, Warning: 1}}
	if s.Weights != nil {
		out.Weights = *s.Weights
	}
	return out
}
