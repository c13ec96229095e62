package config

import (
	"meshtask/internal/ecs"
	"meshtask/internal/servicename"
)

// Resolve fills what depends on the task: a set task.* wins over id. It
// returns an *Errors when something can only now be seen to be wrong, such as
// a health sync of our own container (which a consul-ecs document may name: it is
// taken out of the list). Call it once, after Load.
func (c *Config) Resolve(id ecs.Identity) error {
	t := &c.Task
	t.Named = t.Cluster != ""
	t.ARN, t.Container, t.Zone, t.Revision, t.LaunchType = id.ARN, id.Container, id.Zone, id.Revision, id.LaunchType
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
	c.resolveGateway()
	if c.Service.Name == "" {
		c.Service.Name = servicename.Default(t.Family)
	}
	c.dropOwnContainer()
	c.defaultAddresses()
	c.defaultProbe()
	v := checker{newReport(), c}
	if c.Mode.Mesh() {
		v.identity()
		v.refuseOwnContainer()
		v.collisions(c.listeners(t.Address))
	}
	if len(v.errors) > 0 {
		return v.failed(c).because()
	}
	return nil
}
