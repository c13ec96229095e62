package consulservers

import (
	"maps"
	"slices"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/registration"
)

// Names is whose names the checks have.
type Names int

// The names.
const (
	Ours        Names = iota // as an agent has them
	OfConsulECS              // as consul-ecs 0.7 and later has them without one
)

const (
	checkType = "consul-ecs-health-check" // consul-ecs's, for all of them
	dataplane = "-consul-dataplane"       // ends the check IDs of consul-ecs for Envoy
)

// Synced is a check whose status somebody sets: of one container.
type Synced struct{ ID, Container string }

// SyncedChecks are those that health-sync sets. own is the container of our app; it has a check
// of its own unless consul-ecs would give it none, and then that of Envoy stands for it, as it does
// of a gateway.
func SyncedChecks(r registration.Registration, n Names, synced []string, own string) (list []Synced) {
	switch {
	case r.Gateway != nil && n == Ours:
		return []Synced{{r.ListenerID(), own}}
	case r.Gateway != nil:
		return []Synced{{r.ServiceID() + dataplane, own}}
	case n == Ours:
		for _, name := range r.Containers {
			list = append(list, Synced{r.CheckID(name), name})
		}
		return list
	}
	for _, name := range synced {
		list = append(list, Synced{r.ServiceID() + "-" + name, name})
	}
	if own != "" && !slices.Contains(synced, own) {
		list = append(list, Synced{r.ServiceID() + dataplane, own})
	}
	return list
}

// status is what a check says.
type status struct{ word, output string }

// picture is what the checks of service and sidecar say. It is pure, and for one goroutine at a
// time.
type picture struct {
	r      registration.Registration
	names  Names
	synced []Synced
	said   map[string]status // by ID, of synced; absent: nothing yet
	bound  bool              // the public listener is
}

func newPicture(r registration.Registration, n Names, synced []Synced) picture {
	return picture{r: r, names: n, synced: synced, said: map[string]status{}}
}

func (p *picture) clone() picture {
	c := *p
	c.said = maps.Clone(p.said)
	return c
}

// unready is the output of a check of which nothing is known yet.
func (p *picture) unready() status {
	return status{api.HealthCritical, "Service " + p.r.Name + " is not ready"}
}

// worst is what the sidecar is to say: the worst of all.
func (p *picture) worst() status {
	out := status{api.HealthPassing, ""}
	for _, s := range p.synced {
		said := p.of(s.ID)
		switch {
		case out.word == api.HealthCritical:
		case said.word == api.HealthCritical, said.word == api.HealthWarning && out.word == api.HealthPassing:
			out = said
		}
	}
	return out
}

func (p *picture) of(id string) status {
	if s, ok := p.said[id]; ok {
		return s
	}
	return p.unready()
}

func (p *picture) listener() status {
	if p.bound {
		return status{api.HealthPassing, ""}
	}
	return status{api.HealthCritical, "the public listener is not bound"}
}

// service are the service's checks; a gateway has none besides the proxy's.
func (p *picture) service() (list api.HealthChecks) {
	id := p.r.ServiceID()
	if p.r.Gateway != nil {
		return nil
	}
	for _, s := range p.synced {
		switch {
		case p.names == Ours:
			list = append(list, p.check(s.ID, "consul ecs synced", id, p.r.Name, p.of(s.ID)))
		case s.ID != id+dataplane:
			list = append(list, p.check(s.ID, "Consul ECS health check synced", id, p.r.Name, p.of(s.ID)))
		}
	}
	if p.names == OfConsulECS {
		list = append(list, p.check(id+dataplane, "Consul dataplane readiness", id, p.r.Name, p.both()))
	}
	return list
}

// sidecar are the sidecar's checks, or the gateway's: by them alone traffic is sent or not.
func (p *picture) sidecar() api.HealthChecks {
	id, name := p.r.ProxyID(), p.r.ProxyName()
	if g := p.r.Gateway; g != nil && p.names == Ours {
		return api.HealthChecks{p.check(p.r.ListenerID(), string(g.Kind)+" listener", id, name, p.both())}
	}
	if p.names == OfConsulECS {
		return api.HealthChecks{p.check(id+dataplane, "Consul dataplane readiness", id, name, p.both())}
	}
	return api.HealthChecks{
		p.check(p.r.ListenerID(), "Proxy Public Listener", id, name, p.listener()),
		p.check(p.r.AliasID(), "Destination Alias", id, name, p.worst()),
	}
}

// both is the worst of the containers and the listener.
func (p *picture) both() status {
	if s := p.worst(); s.word != api.HealthPassing {
		return s
	}
	return p.listener()
}

func (p *picture) check(id, name, serviceID, service string, s status) *api.HealthCheck {
	return &api.HealthCheck{CheckID: id, Name: name, Status: s.word, Output: s.output, ServiceID: serviceID, ServiceName: service,
		Type: checkType, Namespace: p.r.Namespace, Partition: p.r.Partition}
}

// statuses are all of them by ID.
func (p *picture) statuses() map[string]string {
	out := map[string]string{}
	for _, c := range slices.Concat(p.service(), p.sidecar()) {
		out[c.CheckID] = c.Status
	}
	return out
}
