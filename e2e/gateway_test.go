package e2e

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/e2e/load"
)

// gateway starts a task that is a gateway; its address is its LAN and WAN address.
func gateway(t *testing.T, server *harness.Server, id string, block map[string]any, edits ...func(map[string]any)) member {
	t.Helper()
	m := prepare(t, server, id, "unused", func(doc map[string]any) {
		delete(doc, "service")
		doc["gateway"] = block
	})
	if wan, ok := block["wanAddress"].(map[string]any); ok {
		wan["address"] = m.address
	}
	for _, edit := range edits {
		edit(m.config)
	}
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: id, Config: m.config})
	return m
}

// external is a service outside of the mesh, and the entry that a gateway leads to it.
func external(t *testing.T, server *harness.Server, gateway string, app ...string) {
	t.Helper()
	address := harness.Address(t)
	harness.Start(t, "external", append([]string{harness.App(t), "--name", "external", "--listen", address + ":9000"}, app...), nil)
	if _, err := server.API.Catalog().Register(&api.CatalogRegistration{Node: "legacy", Address: address, NodeMeta: map[string]string{"synthetic-node": "true"},
		Service: &api.AgentService{ID: "ext", Service: "ext", Port: 9000}}, nil); err != nil {
		t.Fatal(err)
	}
	server.Entry(t, &api.TerminatingGatewayConfigEntry{Kind: api.TerminatingGateway, Name: gateway, Services: []api.LinkedService{{Name: "ext"}}})
}

// callsBy has a task call a service at 9191.
func callsBy(upstream map[string]any) func(map[string]any) {
	return func(doc map[string]any) {
		upstream["localBindPort"] = 9191
		doc["proxy"] = map[string]any{"upstreams": []any{upstream}}
	}
}

// callsExternal starts a task without an agent that calls ext at 9191.
func callsExternal(t *testing.T, server *harness.Server) member {
	t.Helper()
	return startTask(t, server, "web-1", "web", func(doc map[string]any) {
		callsBy(map[string]any{"destinationName": "ext"})(doc)
		agentless(server)(doc)
	})
}

// replaced replaces gateways one by one under load, and none of it fails. start starts the n-th.
func replaced(t *testing.T, url string, rounds int, start func(n int) member) {
	t.Helper()
	old := start(1)
	old.up(t)
	answers(t, url, 200, "hello")
	g := load.Start(t.Context(), load.Config{URL: url, Rate: 100, NewConn: 50, Long: 3, LongURL: url + "slow?ms=700", Body: 16})
	for n := 2; n < rounds+2; n++ {
		next := start(n)
		next.up(t)
		before, _ := g.Counts()
		harness.Eventually(t, soon, "requests beside both", func() error {
			if now, _ := g.Counts(); now < before+50 {
				return fmt.Errorf("%d of 50", now-before)
			}
			return nil
		})
		old.term(t)
		s := old.ended(t, 0)
		if s.Deregistered != "verified" || len(s.Forced()) > 0 || s.Drain.End != 0 {
			t.Errorf("%s: %+v", old.Name, s)
		}
		old = next
	}
	report := g.Stop()
	for _, f := range report.Failures {
		t.Errorf("%+v", f)
	}
	t.Logf("%d requests", report.Sent)
	old.term(t)
	old.ended(t, 0)
}

// inBothModes runs a test beside a server of its own, once without client agents and once with:
// mode makes a configuration that of the one or the other.
func inBothModes(t *testing.T, test func(t *testing.T, server *harness.Server, mode func(map[string]any))) {
	t.Parallel()
	for _, mode := range []string{"agentless", "agent"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server := harness.StartServer(t, harness.ServerConfig{})
			if mode == "agentless" {
				test(t, server, agentless(server))
				return
			}
			test(t, server, func(map[string]any) {})
		})
	}
}

// Terminating gateways in both modes, replaced while a sidecar calls an external service by them.
func TestTerminatingGatewayReplaced(t *testing.T) {
	inBothModes(t, func(t *testing.T, server *harness.Server, mode func(map[string]any)) {
		server.HTTPServices(t)
		external(t, server, "tgw")
		web := callsExternal(t, server)
		web.up(t)
		replaced(t, "http://"+web.address+":9191/", 2, func(n int) member {
			return gateway(t, server, fmt.Sprintf("tgw-%d", n), map[string]any{"kind": "terminating-gateway", "name": "tgw"}, mode)
		})
	})
}

// A gateway that starts is not one to send to before its Envoy listens, not for a moment: a sidecar
// that hears of it sends every other request there.
func TestGatewayIsNotGoodBeforeItListens(t *testing.T) {
	inBothModes(t, func(t *testing.T, server *harness.Server, mode func(map[string]any)) {
		m := gateway(t, server, "mgw-1", map[string]any{"kind": "mesh-gateway", "name": "mgw", "wanAddress": map[string]any{}}, mode)
		query := (&api.QueryOptions{WaitTime: soon}).WithContext(t.Context())
		for {
			list, meta, err := server.API.Health().Service("mgw", "", true, query)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) > 0 {
				break
			}
			query.WaitIndex = meta.LastIndex
		}
		conn, err := net.DialTimeout("tcp", m.address+":8443", soon)
		if err != nil {
			t.Fatalf("it is in the catalog, and good, and does not listen: %v", err)
		}
		conn.Close()
		m.up(t)
		m.term(t)
		m.ended(t, 0)
	})
}

// The life of a gateway: one registration, the check of its kind, and no row app.
func TestGatewayLife(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	block := func() map[string]any {
		return map[string]any{"kind": "mesh-gateway", "name": "mgw", "wanAddress": map[string]any{}, "tags": []string{"edge"}, "meta": map[string]any{"team": "net"}}
	}
	free, agent := gateway(t, server, "mgw-1", block(), agentless(server)), gateway(t, server, "mgw-2", block())
	for _, m := range []member{free, agent} {
		m.up(t)
		m.says(t, "mesh gateway mgw is up after ")
		m.says(t, "Envoy on "+m.address+":8443")
		m.without(t, "up", "app", "start", "")
		id := "mgw-" + m.Name
		harness.Eventually(t, soon, m.Name+" has its one check", func() error {
			if got := statuses(t, server, "mgw", id); !maps.Equal(got, map[string]string{"service:" + id + ":1": "passing"}) {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
	}
	entries, err := server.Instances("mgw")
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d instances, %v", len(entries), err)
	}
	for _, e := range entries {
		address := e.Service.Address
		if e.Service.Kind != api.ServiceKindMeshGateway || e.Service.Port != 8443 || e.Service.TaggedAddresses["wan"] != (api.ServiceAddress{Address: address, Port: 8443}) ||
			!slices.Equal(e.Service.Tags, []string{"edge"}) || e.Service.Meta["team"] != "net" || e.Service.Meta["source"] != "consul-ecs" {
			t.Errorf("%+v", e.Service)
		}
		for _, c := range e.Checks {
			if c.ServiceID != "" && c.Name != "mesh-gateway listener" {
				t.Errorf("check %q", c.Name)
			}
		}
	}
	for _, m := range []member{free, agent} {
		m.term(t)
		if s := m.ended(t, 0); s.Deregistered != "verified" || len(s.Forced()) > 0 || s.Left != map[string]string{"mgw-1": "skipped", "mgw-2": "verified"}[m.Name] {
			t.Errorf("%s: %+v", m.Name, s)
		}
		m.inOrder(t, "down", [3]string{"task", "mark", "T0"}, [3]string{"", "step", "critical"}, [3]string{"", "step", "removed"}, [3]string{"", "step", "drained"},
			[3]string{"envoy", "stop"}, [3]string{"envoy", "ended"}, [3]string{"mesh-init", "stop"}, [3]string{"", "step", "deregistered"}, [3]string{"task", "exit"})
	}
	server.Empty(t, soon)
}

// Two peered datacenters: a mesh gateway of the one that serves is replaced while a sidecar of the
// other calls through it.
func TestMeshGatewayReplacedBetweenPeers(t *testing.T) {
	t.Parallel()
	ports := map[string]any{"dns": -1, "serf_wan": -1, "grpc": 8502, "grpc_tls": 8503}
	near := harness.StartServer(t, harness.ServerConfig{Extra: map[string]any{"ports": ports}})
	far := harness.StartServer(t, harness.ServerConfig{Extra: map[string]any{"ports": ports, "datacenter": "dc2"}})
	for _, s := range []*harness.Server{near, far} {
		s.HTTPServices(t)
	}
	peer(t, near, far)
	far.Entry(t, &api.ExportedServicesConfigEntry{Name: "default", Services: []api.ExportedService{{Name: "api", Consumers: []api.ServiceConsumer{{Peer: "near"}}}}})
	served := startTask(t, far, "api-1", "api", agentless(far))
	served.up(t)
	web := startTask(t, near, "web-1", "web", func(doc map[string]any) {
		callsBy(map[string]any{"destinationName": "api", "destinationPeer": "far"})(doc)
		agentless(near)(doc)
	})
	web.up(t)
	replaced(t, "http://"+web.address+":9191/", 2, func(n int) member {
		return gateway(t, far, fmt.Sprintf("mgw-%d", n), map[string]any{"kind": "mesh-gateway", "name": "mgw", "wanAddress": map[string]any{}}, agentless(far))
	})
}

// peer joins two clusters: near finds far by that name, and the other way round.
func peer(t *testing.T, near, far *harness.Server) {
	t.Helper()
	harness.Eventually(t, soon, "a peering", func() error {
		token, _, err := far.API.Peerings().GenerateToken(t.Context(), api.PeeringGenerateTokenRequest{PeerName: "near"}, nil)
		if err != nil {
			return err
		}
		_, _, err = near.API.Peerings().Establish(t.Context(), api.PeeringEstablishRequest{PeerName: "far", PeeringToken: token.PeeringToken}, nil)
		return err
	})
	harness.Eventually(t, soon, "an active peering", func() error {
		p, _, err := near.API.Peerings().Read(t.Context(), "far", nil)
		if err == nil && p.State != api.PeeringStateActive {
			err = fmt.Errorf("it is %s", p.State)
		}
		return err
	})
}

// What a gateway's token may not is said, since Consul does not: a condition of a terminating
// gateway that is up, and the wait of an API gateway.
func TestGatewayRights(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{ACL: true})
	server.HTTPServices(t)
	external(t, server, "tgw")
	listens(t, server, "agw")
	route(t, server, "agw", "api")
	if _, err := server.API.Catalog().Register(&api.CatalogRegistration{Node: clusterNode, Address: "127.0.0.1", NodeMeta: map[string]string{"synthetic-node": "true"}}, nil); err != nil {
		t.Fatal(err)
	}
	tokenOf := func(name string, policies ...string) func(map[string]any) {
		k := &api.ACLToken{ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: name}}}
		for i, rules := range policies {
			p, _, err := server.API.ACL().PolicyCreate(&api.ACLPolicy{Name: fmt.Sprintf("%s-%d", name, i), Rules: rules}, nil)
			if err != nil {
				t.Fatal(err)
			}
			k.Policies = append(k.Policies, &api.ACLTokenPolicyLink{ID: p.ID})
		}
		made, _, err := server.API.ACL().TokenCreate(k, nil)
		if err != nil {
			t.Fatal(err)
		}
		return func(doc map[string]any) {
			doc["acl"] = map[string]any{"serviceToken": "file:" + writeFile(t, made.SecretID)}
		}
	}
	tgw := gateway(t, server, "tgw-1", map[string]any{"kind": "terminating-gateway", "name": "tgw"}, agentless(server), tokenOf("tgw"))
	agw := gateway(t, server, "agw-1", map[string]any{"kind": "api-gateway", "name": "agw"}, agentless(server), tokenOf("agw"))
	tgw.up(t)
	tgw.says(t, "the token lacks service:write on ext: its chain is missing")
	agw.says(t, "no rights: the token lacks mesh:read")
	for _, m := range []member{tgw, agw} {
		m.term(t)
	}
	tgw.ended(t, 0)
	agw.ended(t, 143)
	good := gateway(t, server, "tgw-2", map[string]any{"kind": "terminating-gateway", "name": "tgw"}, agentless(server), tokenOf("tgw-2", `service "tgw" {policy="write"} service "ext" {policy="write"}`, `service_prefix "" {policy="read"} node_prefix "" {policy="read"}`))
	good.up(t)
	good.Await(t, soon, "up", "envoy", "step", "condition")
	if out := good.Output(); strings.Contains(out, "lacks") {
		t.Errorf("%s", good.Tail(20))
	}
	good.term(t)
	good.ended(t, 0)
}

// With a client agent an API gateway is as without: its check is where its first listener is.
// Consul's own command makes the bootstrap of gateways too.
func TestGatewaysWithAnAgent(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	listens(t, server, "agw")
	route(t, server, "agw", "api")
	served := startTask(t, server, "api-1", "api", agentless(server))
	made := func(doc map[string]any) { doc["envoy"] = map[string]any{"bootstrap": "consul"} }
	quick := func(doc map[string]any) { doc["shutdown"] = map[string]any{"drain": map[string]any{"min": "0s"}} }
	agw := gateway(t, server, "agw-1", map[string]any{"kind": "api-gateway", "name": "agw"}, quick)
	all := []member{agw,
		gateway(t, server, "mgw-1", map[string]any{"kind": "mesh-gateway", "name": "mgw"}, made),
		gateway(t, server, "mgw-2", map[string]any{"kind": "mesh-gateway", "name": "mgw"}, made, agentless(server))}
	for _, m := range append(all, served) {
		m.up(t)
	}
	answers(t, "http://"+agw.address+":8080/", 200, "hello from api-1")
	harness.Eventually(t, soon, "the check of the listener", func() error {
		checks, err := harness.Client(t, agw.address+":8500", "").Agent().Checks()
		if err != nil {
			return err
		}
		c := checks["service:agw-agw-1:1"]
		if c == nil || c.Name != "api-gateway listener" || c.Type != "tcp" || c.Status != "passing" {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
	for _, m := range all {
		m.term(t)
	}
	for _, m := range all {
		if s := m.ended(t, 0); s.Deregistered != "verified" || len(s.Forced()) > 0 {
			t.Errorf("%s: %+v", m.Name, s)
		}
	}
}
