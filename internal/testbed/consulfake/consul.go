// Package consulfake plays a Consul 1.22 client agent for tests: its HTTP API with the servers
// behind it as one state (Consul), and its process (Main).
//
// It answers as the real agent does, with its statuses and words: services and checks, which
// keep their status when they are registered again; maintenance mode; alias checks, which
// follow at once; a catalog that has what was registered until somebody takes it out, and does
// not get it back with the same registration; the leader; whether a token is known. Without servers only the agent's own part answers.
//
// It has no gossip and no anti-entropy, dials nothing and lets no TTL run out. A token is
// known or is not: rights are faults of a path. Nor does a leave end by itself (the real one's
// takes four seconds): nothing here hangs on a clock.
package consulfake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"reflect"
	"strings"
	"sync"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/testbed/faulty"
)

// Consul is an agent and its servers, and the handler of their API.
type Consul struct {
	faulty.Log
	mu    sync.Mutex
	state State
}

// State is what agent and servers know.
type State struct {
	Node     string
	Joined   bool                         // the agent knows servers
	Leader   string                       // as /v1/status/leader has it; "" is none
	Listed   bool                         // the catalog has the node
	Stays    bool                         // services stay, whatever the agent is told
	Sticky   bool                         // it is back at once when it is removed
	Hidden   bool                         // tokens may not read it
	Tokens   map[string]string            // that are known, with their accessor IDs; nil: ACLs are disabled
	Recovery string                       // the agent's recovery token; "" is none
	Own      string                       // the agent's own token, once it was given another
	Services map[string]*api.AgentService // the agent's
	Catalog  map[string]bool              // services that the servers have
	Checks   map[string]*Check
}

// Check is a check of the agent's.
type Check struct {
	api.AgentCheck
	Alias string `json:"-"` // the service that it follows
}

// New is an agent that has joined servers that list it, without ACLs.
func New(node string) *Consul {
	return &Consul{state: State{Node: node, Joined: true, Leader: "10.0.0.1:8300", Listed: true,
		Services: map[string]*api.AgentService{}, Catalog: map[string]bool{}, Checks: map[string]*Check{}}}
}

// With holds everything still while do reads or changes the state.
func (c *Consul) With(do func(s *State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(&c.state)
}

func (c *Consul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.Take(w, r) {
		return
	}
	c.With(func(s *State) {
		w.Header().Set("X-Consul-LastContact", "0") // without it the library does not read the other
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", fmt.Sprint(s.Hidden))
		switch out := s.answer(r).(type) {
		case nil: // done, and nothing to say
		case faulty.Fault:
			out.ServeHTTP(w, r)
		default:
			_ = json.NewEncoder(w).Encode(out)
		}
	})
}

// answer is a faulty.Fault, the value of a JSON document, or nil.
func (s *State) answer(r *http.Request) any {
	op, id, token := r.Method+" "+path.Dir(r.URL.Path), path.Base(r.URL.Path), r.Header.Get("X-Consul-Token")
	accessor, known := s.Tokens[token]
	switch {
	case !s.Joined && !strings.Contains(op, " /v1/agent"):
		return faulty.Answer(http.StatusInternalServerError, "No known Consul servers")
	case s.Tokens == nil && op == "GET /v1/acl/token":
		return faulty.Answer(http.StatusUnauthorized, "ACL support disabled")
	case op == "PUT /v1/agent/token" && id == "agent":
		if token == "" || token != s.Recovery {
			return faulty.Answer(http.StatusForbidden, "Permission denied: token with AccessorID '"+accessor+"' lacks permission 'agent:write' on \""+s.Node+"\"")
		}
		var given api.AgentToken
		_ = json.NewDecoder(r.Body).Decode(&given)
		s.Own = given.Token
		return nil
	case s.Tokens != nil && !known && op != "GET /v1/status":
		return faulty.Answer(http.StatusForbidden, "rpc error making call: token does not exist: ACL not found")
	}
	var body struct { // of a service, a check, an update, a removal
		api.AgentService
		Name, ServiceID, Status, Output string
		Checks                          api.AgentServiceChecks
	}
	_ = json.NewDecoder(r.Body).Decode(&body) // many have none
	defer s.follow()
	switch op {
	case "GET /v1/status":
		return s.Leader
	case "GET /v1/acl/token":
		return api.ACLToken{AccessorID: accessor, SecretID: token}
	case "PUT /v1/agent/service":
		body.Service = body.Name
		if !reflect.DeepEqual(s.Services[body.ID], &body.AgentService) { // the servers have it before the agent answers
			s.Services[body.ID], s.Catalog[body.ID], s.Listed = &body.AgentService, true, true
		}
		for i, check := range body.Checks {
			s.add(cmp.Or(check.CheckID, fmt.Sprintf("service:%s:%d", body.ID, i+1)), body.ID, check.Status, check.AliasService)
		}
	case "PUT /v1/agent/service/deregister", "PUT /v1/agent/service/maintenance":
		maintenance, on := "_service_maintenance:"+id, r.URL.Query().Get("enable")
		switch {
		case s.Services[id] == nil:
			return unknown("service", id)
		case on == "true":
			s.add(maintenance, id, api.HealthCritical, "")
		case on == "false":
			delete(s.Checks, maintenance)
		case s.Stays:
		default:
			delete(s.Services, id)
			delete(s.Catalog, id)
			maps.DeleteFunc(s.Checks, func(_ string, c *Check) bool { return c.ServiceID == id })
		}
	case "GET /v1/agent/service":
		if s.Services[id] == nil {
			return faulty.Answer(http.StatusNotFound, "unknown service ID: "+id)
		}
		return s.Services[id]
	case "GET /v1/agent":
		if id == "services" {
			return s.Services
		}
		return s.Checks
	case "PUT /v1/agent/check":
		s.add(body.ID, body.ServiceID, body.Status, "")
	case "PUT /v1/agent/check/update":
		if s.Checks[id] == nil {
			return unknown("check", id)
		}
		s.Checks[id].Status, s.Checks[id].Output = body.Status, body.Output
	case "GET /v1/catalog/node", "GET /v1/catalog/node-services":
		var list api.CatalogNodeServiceList
		if s.Listed && !s.Hidden && id == s.Node {
			list.Node = &api.Node{Node: id}
			for service := range s.Catalog {
				list.Services = append(list.Services, &api.AgentService{ID: service})
			}
		}
		switch {
		case op == "GET /v1/catalog/node-services":
			return list
		case list.Node == nil:
			return json.RawMessage("null")
		}
		return api.CatalogNode{Node: list.Node}
	case "PUT /v1/catalog":
		if delete(s.Catalog, body.ServiceID); body.ServiceID == "" {
			clear(s.Catalog)
			s.Listed = s.Sticky
		}
		return true
	default:
		return faulty.Answer(http.StatusNotFound, "Invalid URL path: not a recognized HTTP API endpoint")
	}
	return nil
}

func unknown(what, id string) faulty.Fault {
	return faulty.Answer(http.StatusNotFound, fmt.Sprintf("Unknown %s ID %q. Ensure that the %[1]s ID is passed, not the %[1]s name.", what, id))
}

// add registers a check.
func (s *State) add(id, service, status, alias string) {
	status = cmp.Or(status, api.HealthCritical)
	if old := s.Checks[id]; old != nil {
		status = old.Status
	}
	s.Checks[id] = &Check{Alias: alias, AgentCheck: api.AgentCheck{Node: s.Node, CheckID: id, Status: status, ServiceID: service}}
}

// follow gives each alias check the worst status among the checks of its service.
func (s *State) follow() {
	rank := map[string]int{api.HealthWarning: 1, api.HealthCritical: 2}
	for _, alias := range s.Checks {
		if alias.Alias == "" {
			continue
		}
		alias.Status = api.HealthPassing
		for _, check := range s.Checks {
			if check.ServiceID == alias.Alias && rank[check.Status] > rank[alias.Status] {
				alias.Status = check.Status
			}
		}
	}
}
