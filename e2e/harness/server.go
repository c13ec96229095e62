package harness

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Server is a real Consul server, one of one, with its default ports on an
// address of its own.
type Server struct {
	*Process
	Address string
	HTTP    string // host:port
	Token   string // initial management token; "" without ACLs
	API     *api.Client

	dir string
}

// ServerConfig says what is special about a server; the zero value is an open
// one that keeps its state in memory.
type ServerConfig struct {
	ACL     bool           // default deny, with Token as the management token
	Deny    bool           // intentions deny by default
	Persist bool           // state on disk, so that Restart keeps it; slower
	Extra   map[string]any // merged into the agent config, last
	Address string         // "" is a new one
}

// managementToken is no secret: it opens servers on loopback, for one test each.
const managementToken = "b6e29626-0000-4000-8000-6d657368746b"

// StartServer starts a Consul server and returns once it has a leader and
// answers.
func StartServer(t T, cfg ServerConfig) *Server {
	t.Helper()
	s := newServer(t, cfg)
	s.Restart(t, cfg.Persist)
	if cfg.Deny {
		Eventually(t, time.Minute, "the denying intention", func() error {
			ok, _, err := s.API.Connect().IntentionCheck(&api.IntentionCheck{Source: "a", Destination: "b"}, nil)
			if err == nil && ok {
				err = fmt.Errorf("a may still call b")
			}
			return err
		})
	}
	return s
}

// StartServers starts n Consul servers that are one cluster, and returns once each answers and
// has a leader. Their state is on disk: Restart(t, true) brings one back.
func StartServers(t T, n int, cfg ServerConfig) []*Server {
	t.Helper()
	var addresses []string
	for range n {
		addresses = append(addresses, Address(t))
	}
	var all []*Server
	for i, address := range addresses {
		one := cfg
		one.Address, one.Persist = address, true
		one.Extra = map[string]any{"node_name": fmt.Sprintf("server-%d", i+1), "bootstrap_expect": n, "retry_join": addresses}
		maps.Copy(one.Extra, cfg.Extra)
		s := newServer(t, one)
		s.launch(t, true)
		all = append(all, s)
	}
	for _, s := range all {
		s.answers(t)
	}
	return all
}

func newServer(t T, cfg ServerConfig) *Server {
	t.Helper()
	s := &Server{Address: cfg.Address, dir: t.TempDir()}
	if s.Address == "" {
		s.Address = Address(t)
	}
	s.HTTP = s.Address + ":8500"
	if cfg.ACL {
		s.Token = managementToken
	}
	doc, err := json.Marshal(s.config(cfg))
	if err != nil {
		t.Fatalf("server config: %v", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "server.json"), doc, 0o600); err != nil {
		t.Fatalf("cannot write the server config: %v", err)
	}
	s.API = client(t, s.HTTP, s.Token)
	return s
}

func (s *Server) config(cfg ServerConfig) map[string]any {
	doc := map[string]any{
		"node_name": "server", "datacenter": "dc1", "server": true,
		"bind_addr": s.Address, "client_addr": s.Address,
		"ports":                map[string]any{"dns": -1, "serf_wan": -1, "grpc": 8502, "grpc_tls": -1},
		"connect":              map[string]any{"enabled": true},
		"performance":          map[string]any{"raft_multiplier": 1},
		"disable_update_check": true, "log_level": "warn",
	}
	if cfg.Persist {
		doc["data_dir"], doc["bootstrap_expect"] = filepath.Join(s.dir, "data"), 1
	}
	if cfg.Deny {
		// Not default_intention_policy: each client agent follows its own, and ours
		// has none. A wildcard intention holds whatever the agents are told.
		doc["config_entries"] = map[string]any{"bootstrap": []any{map[string]any{
			"kind": "service-intentions", "name": "*",
			"sources": []any{map[string]any{"name": "*", "action": "deny"}},
		}}}
	}
	if cfg.ACL {
		doc["acl"] = map[string]any{"enabled": true, "default_policy": "deny", "enable_token_persistence": true,
			"tokens": map[string]any{"initial_management": s.Token, "agent": s.Token}}
	}
	maps.Copy(doc, cfg.Extra)
	return doc
}

// Restart starts the server's process (again) and waits for its leader. Call it
// only while none is running.
func (s *Server) Restart(t T, persist bool) {
	t.Helper()
	s.launch(t, persist)
	s.answers(t)
}

// RestartAll starts the processes of one cluster again, with the state that they had, and waits
// for its leader.
func RestartAll(t T, servers ...*Server) {
	t.Helper()
	for _, s := range servers {
		s.launch(t, true)
	}
	for _, s := range servers {
		s.answers(t)
	}
}

func (s *Server) launch(t T, persist bool) {
	t.Helper()
	argv := []string{ServerConsul(t), "agent", "-config-file", filepath.Join(s.dir, "server.json")}
	if !persist {
		argv = append(argv, "-dev") // memory only, elects itself at once
	}
	s.Process = Start(t, "consul-server", argv, environment())
}

func (s *Server) answers(t T) {
	t.Helper()
	Eventually(t, time.Minute, "a leader at the Consul server", func() error {
		select {
		case <-s.Done():
			return fmt.Errorf("the server has ended:\n%s", s.Tail(10))
		default:
		}
		// The catalog answers only with a leader that has established itself.
		nodes, _, err := s.API.Catalog().Nodes(nil)
		if err == nil && len(nodes) == 0 {
			err = fmt.Errorf("the catalog has no node yet")
		}
		return err
	})
}

// HTTPServices makes http the protocol of every service, as a proxy-defaults
// entry; without it Envoy passes bytes only.
func (s *Server) HTTPServices(t T) {
	t.Helper()
	s.Entry(t, &api.ProxyConfigEntry{Kind: api.ProxyDefaults, Name: api.ProxyConfigGlobal,
		Config: map[string]any{"protocol": "http"}})
}

// Allow lets source call destination.
func (s *Server) Allow(t T, source, destination string) {
	t.Helper()
	s.Entry(t, &api.ServiceIntentionsConfigEntry{Kind: api.ServiceIntentions, Name: destination,
		Sources: []*api.SourceIntention{{Name: source, Action: api.IntentionActionAllow}}})
}

// Entry writes a config entry.
func (s *Server) Entry(t T, entry api.ConfigEntry) {
	t.Helper()
	if _, _, err := s.API.ConfigEntries().Set(entry, nil); err != nil {
		t.Fatalf("config entry %s/%s: %v", entry.GetKind(), entry.GetName(), err)
	}
}

// Nodes names the nodes in the catalog but the servers' own and those that stand for a cluster
// of tasks without agents, sorted.
func (s *Server) Nodes() ([]string, error) {
	nodes, _, err := s.API.Catalog().Nodes(&api.QueryOptions{RequireConsistent: true})
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	var out []string
	for _, n := range nodes {
		if !strings.HasPrefix(n.Node, "server") && n.Meta["synthetic-node"] != "true" {
			out = append(out, n.Node)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Instances lists the instances of a service with their checks, passing or not.
func (s *Server) Instances(service string) ([]*api.ServiceEntry, error) {
	entries, _, err := s.API.Health().Service(service, "", false, &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		return nil, fmt.Errorf("health of %s: %w", service, err)
	}
	return entries, nil
}

// Passing waits until n instances of service pass, and no other is listed.
func (s *Server) Passing(t T, limit time.Duration, service string, n int) {
	t.Helper()
	Eventually(t, limit, fmt.Sprintf("%d passing instances of %s", n, service), func() error {
		entries, err := s.Instances(service)
		if err != nil {
			return err
		}
		passing := 0
		for _, e := range entries {
			if e.Checks.AggregatedStatus() == api.HealthPassing {
				passing++
			}
		}
		if passing != n || len(entries) != n {
			return fmt.Errorf("%d listed, %d pass", len(entries), passing)
		}
		return nil
	})
}

// Empty waits until no node but the server is left, and no service.
func (s *Server) Empty(t T, limit time.Duration) {
	t.Helper()
	Eventually(t, limit, "an empty catalog", func() error {
		nodes, err := s.Nodes()
		if err != nil {
			return err
		}
		services, _, err := s.API.Catalog().Services(&api.QueryOptions{RequireConsistent: true})
		if err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
		delete(services, "consul")
		if len(nodes) > 0 || len(services) > 0 {
			return fmt.Errorf("nodes %v and services %v are left", nodes, slices.Sorted(maps.Keys(services)))
		}
		return nil
	})
}

// Client returns an API client for any Consul agent, with a transport of its
// own.
func Client(t T, address, token string) *api.Client { t.Helper(); return client(t, address, token) }

func client(t T, address, token string) *api.Client {
	t.Helper()
	for _, kv := range os.Environ() { // the library would take them over our arguments
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "CONSUL_") {
			_ = os.Unsetenv(name)
		}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 5 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := api.NewClient(&api.Config{Address: address, Token: token,
		HttpClient: &http.Client{Transport: transport, Timeout: 15 * time.Second}})
	if err != nil {
		t.Fatalf("consul client: %v", err)
	}
	return c
}

// environment is ours without what would change a child's behaviour, and with
// no sleep at the end of programs built with -race.
func environment(more ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CONSUL_") && !strings.HasPrefix(kv, "MESHTASK_") && !strings.HasPrefix(kv, "ECS_") {
			env = append(env, kv)
		}
	}
	return append(append(env, "GORACE=atexit_sleep_ms=0 halt_on_error=0 exitcode=66"), more...)
}
