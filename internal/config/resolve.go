package config

import (
	"net"
	"slices"
	"strconv"

	"meshtask/internal/ecs"
	"meshtask/internal/servicename"
)

// adminPort is where the sibling layout's lease is by default.
const adminPort = "9902"

// Resolve fills what depends on the task: a set task.* wins over id. It
// returns an *Errors when something can only now be seen to be wrong, such as
// a health sync of our own container (which a consul-ecs document may name: it is
// taken out of the list). Call it once, after Load.
func (c *Config) Resolve(id ecs.Identity) error {
	t := &c.Task
	t.ARN, t.Container = id.ARN, id.Container
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&t.ID, id.ID}, {&t.Family, id.Family}, {&t.Cluster, id.Cluster}, {&t.Address, id.Address},
		{&c.Health.Container, id.Container}, {&c.Health.Container, "app"},
	} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if c.Service.Name == "" {
		c.Service.Name = servicename.Default(t.Family)
	}
	c.unloop()
	c.place()
	c.probe()
	v := checker{newReport(), c}
	if c.Mode.Mesh() {
		v.identity()
		v.own()
		v.collisions(c.listeners(t.Address))
	}
	if len(v.errors) > 0 {
		return v.failed(c)
	}
	return nil
}

// unloop takes our own container out of a consul-ecs document's healthSyncContainers,
// where the app's container always was. Its check stays, under the same ID, and
// follows the app; see own.
func (c *Config) unloop() {
	if c.ConsulECS {
		c.HealthSyncContainers = slices.DeleteFunc(c.HealthSyncContainers, func(name string) bool { return name == c.Task.Container })
	}
}

// place sets the addresses: where the task's own is a loopback address,
// everything is on it, so that several tasks share a machine.
func (c *Config) place() {
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

// probe picks the app's readiness probe where none was given.
func (c *Config) probe() {
	r := &c.App.Ready
	switch {
	case r.TCP != "" || r.HTTP != "" || len(r.Exec) > 0 || r.FD != 0 || r.Started:
	case c.Mode.Mesh() && c.Service.Port != 0:
		r.TCP = net.JoinHostPort(c.Proxy.LocalServiceAddress, strconv.Itoa(c.Service.Port))
	default:
		r.Started = true
	}
}

// identity requires what the mesh needs: an endpoint may have no address, as in
// network mode host.
func (v checker) identity() {
	t := v.c.Task
	for _, f := range [][2]string{{"task.id", t.ID}, {"task.family", t.Family}, {"task.cluster", t.Cluster}, {"task.address", t.Address}} {
		if f[1] == "" {
			v.wrong(f[0], "required: the task metadata endpoint gives none")
		}
	}
	v.task()
}

// own refuses to sync our own container: its ECS health is what meshtask
// health says, which waits for the synced checks.
func (v checker) own() {
	for i, name := range v.c.HealthSyncContainers {
		at := index("healthSyncContainers", i)
		switch {
		case name == v.c.Task.Container:
			v.wrong(at, "%q is meshtask's own container, which closes a loop: its ECS health is the answer of meshtask health, which waits for this very check; remove it, and give health.app to check the app", name)
		case name == v.c.Health.Container && v.c.Health.App != nil:
			v.wrong(at, "%q is the container of health.app as well: its check would have two sources", name)
		}
	}
}
