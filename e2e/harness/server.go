package harness

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
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
}

// managementToken is no secret: it opens servers on loopback, for one test each.
const managementToken = "b6e29626-0000-4000-8000-6d657368746b"

// StartServer starts a Consul server and returns once it has a leader and
// answers.
func StartServer(t T, cfg ServerConfig) *Server {
	t.Helper()
	s := &Server{Address: Address(t), dir: t.TempDir()}
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
	argv := []string{Consul(t), "agent", "-config-file", filepath.Join(s.dir, "server.json")}
	if !persist {
		argv = append(argv, "-dev") // memory only, elects itself at once
	}
	s.Process = Start(t, "consul-server", argv, environment())
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
