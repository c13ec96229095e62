package parts

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/e2e/harness"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
	"meshtask/internal/testbed/eventually"
)

// A task without an agent: its service and sidecar are in the catalog, on a node that has the
// name which consul-ecs gives it, and Envoy's xDS is at the servers.
const syntheticNode = "arn:aws:ecs:eu-west-1:123456789012:cluster/c"

// serversBed is an envoyBed without an agent; its server is the first of servers.
type serversBed struct {
	*envoyBed
	servers []*harness.Server
	put     func(name string, data []byte) error
}

func newServersBed(t *testing.T, n int, config harness.ServerConfig) *serversBed {
	t.Helper()
	var servers []*harness.Server
	if n == 1 {
		servers = []*harness.Server{harness.StartServer(t, config)}
	} else {
		servers = harness.StartServers(t, n, config)
	}
	b := &serversBed{envoyBed: newEnvoyBedAt(t, servers[0]), servers: servers}
	b.put = writer(b.dir)
	return b
}

// catalog registers web-1 and its sidecar as two catalog writes do.
func (b *serversBed) catalog() {
	b.t.Helper()
	config := map[string]any{"bind_address": b.server.Address, "bind_port": 20000}
	for _, service := range []*api.AgentService{
		{ID: "web-1", Service: "web", Address: b.server.Address, Port: 8080},
		{ID: envoyProxyID, Service: "web-sidecar-proxy", Kind: api.ServiceKindConnectProxy, Address: b.server.Address, Port: 20000,
			Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "web", DestinationServiceID: "web-1", LocalServiceAddress: b.server.Address, LocalServicePort: 8080, Config: config}},
	} {
		_, err := b.server.API.Catalog().Register(&api.CatalogRegistration{Node: syntheticNode, Address: "127.0.0.1", Service: service,
			NodeMeta: map[string]string{"synthetic-node": "true"}}, nil)
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// list writes the list of servers that Envoy follows.
func (b *serversBed) list(addresses ...string) {
	b.t.Helper()
	text, err := bootstrap.ServersDocument(addresses)
	if err == nil {
		err = b.put("servers.json", text)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// document writes the bootstrap; change what is special, then Envoy may start.
func (b *serversBed) document(change func(*envoy.Bootstrap)) {
	b.t.Helper()
	b.bootstrap(func(w *envoy.Bootstrap) {
		w.XDS, w.NodeName = "", syntheticNode
		w.Servers = &bootstrap.Servers{File: filepath.Join(b.dir, "servers.json")}
		w.Registered = func(context.Context) (bootstrap.Registered, error) {
			return bootstrap.Registered{Service: "web", Datacenter: "dc1"}, nil
		}
		if change != nil {
			change(w)
		}
	})
}

func (b *serversBed) admin() *envoy.Admin {
	admin := envoy.NewAdmin(b.socket())
	b.t.Cleanup(admin.Close)
	return admin
}

func TestEnvoyAtServers(t *testing.T) {
	b := newServersBed(t, 1, harness.ServerConfig{})
	b.catalog()
	b.list(b.server.Address + ":8502")
	for _, byCommand := range []bool{false, true} {
		b.document(func(w *envoy.Bootstrap) { w.UseCommand = byCommand })
		l := b.start(nil)
		b.up(l)
		if stats, err := b.admin().Stats(t.Context(), "cluster.consul_servers.membership_total", "cluster.local_agent.membership_total"); err != nil || len(stats) != 1 {
			t.Errorf("by command %v: %v %v", byCommand, stats, err)
		}
		b.end(l)
	}
}

// where lists the servers that Envoy would go to, and how often it has asked one for a stream.
func (b *serversBed) where(admin *envoy.Admin) (hosts []string, streams int64) {
	b.t.Helper()
	text, err := adminText(b.t.Context(), b.socket(), "/clusters?format=json")
	if err != nil {
		b.t.Fatal(err)
	}
	var answer struct {
		Clusters []struct {
			Name  string `json:"name"`
			Hosts []struct {
				Address struct {
					Socket struct {
						Address string `json:"address"`
					} `json:"socket_address"`
				} `json:"address"`
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		b.t.Fatal(err)
	}
	for _, c := range answer.Clusters {
		for _, h := range c.Hosts {
			if c.Name == bootstrap.ServersCluster {
				hosts = append(hosts, h.Address.Socket.Address)
			}
		}
	}
	slices.Sort(hosts)
	stats, err := admin.Stats(b.t.Context(), "cluster.consul_servers.upstream_rq_total")
	if err != nil {
		b.t.Fatal(err)
	}
	return hosts, stats["cluster.consul_servers.upstream_rq_total"]
}

// A new list takes nobody off the stream that is open; once its server has gone, the next one
// goes to a server of the list, and configuration comes again.
func TestEnvoyFollowsTheListOfServers(t *testing.T) {
	b := newServersBed(t, 3, harness.ServerConfig{})
	b.catalog()
	first, second := b.servers[0], b.servers[1]
	b.list(first.Address + ":8502")
	b.document(nil)
	l := b.start(nil)
	b.up(l)
	admin := b.admin()
	hosts, before := b.where(admin)
	if !slices.Equal(hosts, []string{first.Address}) {
		t.Fatalf("Envoy's servers are %v", hosts)
	}

	b.list(second.Address + ":8502")
	eventually.True(t, "Envoy has the new list", func() bool {
		hosts, _ := b.where(admin)
		return slices.Equal(hosts, []string{second.Address})
	})
	updates := func() int64 {
		stats, err := admin.Stats(t.Context(), "listener_manager.lds.update_success", "control_plane.connected_state")
		if err != nil {
			t.Fatal(err)
		}
		if stats["control_plane.connected_state"] != 1 {
			return -1
		}
		return stats["listener_manager.lds.update_success"]
	}
	protocol := func(p string) {
		t.Helper()
		before := updates()
		harness.Eventually(t, eventually.Patience, "a leader takes the entry", func() error {
			_, _, err := second.API.ConfigEntries().Set(&api.ServiceConfigEntry{Kind: api.ServiceDefaults, Name: "web", Protocol: p}, nil)
			return err
		})
		eventually.True(t, "Envoy gets the listener for "+p, func() bool { return updates() > before })
	}
	protocol("http")
	if _, streams := b.where(admin); streams != before {
		t.Errorf("the stream did not stay: Envoy asked for %d, and now for %d", before, streams)
	}

	first.Kill()
	eventually.True(t, "Envoy asks another server", func() bool { _, streams := b.where(admin); return streams > before && updates() >= 0 })
	protocol("tcp")
	b.end(l)
}

// A token that comes to be right reaches the Envoy that waits for it.
func TestEnvoyAtServersGetsItsToken(t *testing.T) {
	b := newServersBed(t, 1, harness.ServerConfig{ACL: true})
	b.catalog()
	b.list(b.server.Address + ":8502")
	token, _, err := b.server.API.ACL().TokenCreate(&api.ACLToken{ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: "web"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.document(func(w *envoy.Bootstrap) {
		w.TokenFile = filepath.Join(b.dir, "envoy-token.json")
		w.PutToken = func(data []byte) error { return b.put("envoy-token.json", data) }
		w.Token = func() string { return "00000000-0000-4000-8000-000000000000" }
	})
	l := b.start(nil)
	admin := b.admin()
	eventually.True(t, "the wrong token is refused", func() bool {
		stats, err := admin.Stats(t.Context(), "cluster_manager.cds.update_failure")
		return err == nil && stats["cluster_manager.cds.update_failure"] > 1
	})
	text, err := bootstrap.TokenDocument(token.SecretID)
	if err == nil {
		err = b.put("envoy-token.json", text)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.up(l)
	b.end(l)
}

// adminText asks Envoy's admin interface for what is no part of envoy.Admin.
func adminText(ctx context.Context, socket, path string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: unixDial(socket)}}
	return harness.Ask(ctx, client, 1<<20, http.MethodGet, "http://envoy"+path, nil)
}

// servedOverTLS is the configuration of a server whose gRPC is TLS at 8503, with these names in
// its certificate; ca is who has signed it.
func servedOverTLS(t *testing.T, address string, names ...string) (config harness.ServerConfig, ca string) {
	t.Helper()
	dir := t.TempDir()
	ca = issue(t, dir, address, names)
	return harness.ServerConfig{Address: address, Extra: map[string]any{
		"ports": map[string]any{"dns": -1, "serf_wan": -1, "grpc": 8502, "grpc_tls": 8503, "https": 8501},
		"tls": map[string]any{"defaults": map[string]any{
			"ca_file": filepath.Join(dir, "ca.pem"), "cert_file": filepath.Join(dir, "cert.pem"), "key_file": filepath.Join(dir, "key.pem"),
		}},
	}}, ca
}

func TestEnvoyAtServersOverTLS(t *testing.T) {
	address := harness.Address(t)
	config, ca := servedOverTLS(t, address, "server.dc1.consul")
	b := newServersBed(t, 1, config)
	b.catalog()
	other := issue(t, t.TempDir(), address, []string{"server.dc1.consul"})
	for what, c := range map[string]struct {
		port    string
		servers bootstrap.Servers
		waits   string // "" is LIVE
	}{
		"right name":                  {"8503", bootstrap.Servers{TLS: true, CA: ca, ServerName: "server.dc1.consul"}, ""},
		"right address":               {"8503", bootstrap.Servers{TLS: true, CA: ca, ServerName: address}, ""},
		"no name":                     {"8503", bootstrap.Servers{TLS: true, CA: ca}, ""},
		"wrong name":                  {"8503", bootstrap.Servers{TLS: true, CA: ca, ServerName: "server.dc2.consul"}, "the certificate of the Consul servers has another name"},
		"wrong address":               {"8503", bootstrap.Servers{TLS: true, CA: ca, ServerName: "127.0.0.9"}, "the certificate of the Consul servers has another name"},
		"wrong CA":                    {"8503", bootstrap.Servers{TLS: true, CA: other, ServerName: "server.dc1.consul"}, "the certificate of the Consul servers is not by the CA"},
		"plaintext at a port for TLS": {"8503", bootstrap.Servers{}, "the Consul servers end its xDS stream without an answer"},
		"TLS at a port for plaintext": {"8502", bootstrap.Servers{TLS: true, CA: ca}, "what the Consul servers answer at their gRPC port is no TLS"},
		"nobody there":                {"8509", bootstrap.Servers{}, "it cannot connect to the Consul servers' gRPC port"},
	} {
		t.Run(what, func(t *testing.T) {
			b.list(address + ":" + c.port)
			b.document(func(w *envoy.Bootstrap) {
				c.servers.File = w.Servers.File
				w.Servers = &c.servers
			})
			if c.waits != "" {
				b.waitingFor(c.waits)
				return
			}
			l := b.start(nil)
			b.up(l)
			b.end(l)
		})
	}
	// The command is told how to trust the API, as it has its own way to ask.
	b.list(address + ":8503")
	b.document(func(w *envoy.Bootstrap) {
		w.UseCommand = true
		w.Command.HTTP, w.Command.CA, w.Command.ServerName = "https://"+address+":8501", ca, "server.dc1.consul"
		w.Servers.TLS, w.Servers.CA, w.Servers.ServerName = true, ca, "server.dc1.consul"
	})
	l := b.start(nil)
	b.up(l)
	b.end(l)
}
