package consulservers

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/registration"
)

func gateway() registration.Registration {
	return registration.Registration{TaskID: "1", Name: "gw", Address: "10.0.0.9", Gateway: &registration.Gateway{Kind: api.ServiceKindMeshGateway, WAN: &registration.Address{Address: "203.0.113.7", Port: 443}}}
}

// A gateway is one write with one check, whose name is that of whoever wrote the document; it
// passes when Envoy listens and health-sync says so. The stop takes it out, and moves nothing.
func TestGatewayLife(t *testing.T) {
	for names, id := range map[Names]string{Ours: "service:gw-1:1", OfConsulECS: "gw-1-consul-dataplane"} {
		base, c := newTestClient(t)
		client := New(Config{Finder: base.cfg.Finder, Node: base.cfg.Node, Registration: gateway(), Names: names, Synced: SyncedChecks(gateway(), names, nil, "app"),
			Token: func() string { return "" }, TokenWait: time.Minute})
		ctx := t.Context()
		good(t, client.Register(ctx))
		s := c.services["gw-1"]
		if len(c.writes) != 1 || len(c.checks) != 1 || s.Kind != api.ServiceKindMeshGateway || s.Port != 8443 || s.TaggedAddresses["wan"].Port != 443 || s.Proxy.Config["bind_port"] != nil {
			t.Fatalf("registered by %+v: %+v", c.writes, s)
		}
		status := func() string { return c.checks[id].Status }
		if status() != "critical" {
			t.Errorf("%s is %s at first", id, status())
		}
		good(t, client.UpdateTTL(ctx, id, "passing", "up"))
		if status() != "critical" {
			t.Errorf("%s passes before the listener is bound", id)
		}
		good(t, client.AddListenerCheck(ctx, "127.0.0.1:8443"))
		if status() != "passing" {
			t.Errorf("%s is %s", id, status())
		}
		for range 2 { // nobody looks for a service beside it
			if have, err := client.Checks(ctx); err != nil || have[id] != "passing" || len(have) != 1 {
				t.Errorf("%v %v", have, err)
			}
		}
		c.with(func() { delete(c.checks, id) })
		if have, err := client.Checks(ctx); err != nil || len(have) != 0 {
			t.Errorf("taken away, and %v %v is seen", have, err)
		}
		good(t, client.Register(ctx))
		before := c.count()
		good(t, client.RemoveFromCatalog(ctx))
		if c.count() != before || len(c.services) != 0 {
			t.Errorf("%d writes, left are %v", c.count()-before, c.services)
		}
		if result, err := client.Deregister(ctx); result != registration.Verified {
			t.Errorf("%s %v", result, err)
		}
	}
}

func TestGatewayRegistrations(t *testing.T) {
	list := Registrations(Node{Name: "n"}, gateway(), Ours, SyncedChecks(gateway(), Ours, nil, ""))
	if len(list) != 1 || list[0].Service.ID != "gw-1" || len(list[0].Checks) != 1 || list[0].Checks[0].Name != "mesh-gateway listener" {
		t.Errorf("%+v", list)
	}
}
