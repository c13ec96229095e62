package envoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Role is what an Envoy is for, and what follows from it: when it is ready, how its clients are
// told to go, and what is in flight through it. The zero value is a sidecar's.
type Role struct {
	// sent: it is ready when every listener that Consul has sent is bound, and there is one;
	// else when the one at Config.Listen is.
	sent bool
	// waits: for as long as Config.Lacks says so it may have nothing to listen for.
	waits bool
	// late is what a wait for an agent's first configuration is about most often, unless it is "".
	late   string
	drain  string   // the flags of the drain call
	flight []flight // what is in flight: the first that Envoy has counts
}

// flight is a count of what is in flight.
type flight struct {
	protocol string                          // http: requests; tcp: connections
	names    func(bound []Listener) []string // expressions for statistics, which are added up, without active and total
}

// Clients of inbound listeners alone are told to go by the first, those of all by the second. A
// mesh gateway's listener has no direction, and an API gateway's is outbound.
const (
	drainInbound = "inboundonly&graceful&skip_exit"
	drainAll     = "graceful&skip_exit"
)

// Sidecar is that of an app: requests to it, or connections where they are not http.
func Sidecar() Role {
	return Role{drain: drainInbound, flight: []flight{{"http", exactly(workHTTP)}, {"tcp", exactly(workTCP)}}}
}

// MeshGateway passes TLS on, and so sees connections only.
func MeshGateway() Role {
	return Role{sent: true, drain: drainAll, flight: []flight{{"tcp", connections}}}
}

// TerminatingGateway is as a mesh gateway: its clients are sidecars, which end their connections
// once it is gone from the catalog.
func TerminatingGateway() Role { return MeshGateway() }

// APIGateway has clients from outside, which keep their connections.
func APIGateway() Role {
	return Role{sent: true, waits: true, drain: drainAll, flight: []flight{{"http", requests}}}
}

// of is the role, a sidecar's for the zero value.
func (r Role) of() Role {
	if r.flight == nil {
		return Sidecar()
	}
	return r
}

func exactly(name string) func([]Listener) []string {
	return func([]Listener) []string { return []string{regexp.QuoteMeta(name)} }
}

// connections are those of every listener that Consul has sent.
func connections(bound []Listener) (all []string) {
	for _, l := range bound {
		name := strings.ReplaceAll(l.Address.String(), ":", "_")
		if a := l.Address.Addr(); a.Is6() { // the brackets' inside stays
			name = fmt.Sprintf("[%s]_%d", a, l.Address.Port())
		}
		all = append(all, `listener\.`+regexp.QuoteMeta(name)+`\.downstream_cx`)
	}
	return all
}

// requests are those of an API gateway's http listeners, and the connections of its others, whose
// names begin with their protocol.
func requests(bound []Listener) (all []string) {
	var others []Listener
	for _, l := range bound {
		if strings.HasPrefix(l.Name, "tcp:") {
			others = append(others, l)
		}
	}
	if len(others) < len(bound) {
		all = append(all, `http\.ingress_upstream_.*\.downstream_rq`)
	}
	return append(all, connections(others)...)
}

// listeners are those whose clients count: of a sidecar nobody asks.
func (r Role) listeners(ctx context.Context, a *Admin) ([]Listener, error) {
	if !r.sent {
		return nil, nil
	}
	return a.Sent(ctx)
}

// work is what an Envoy has to do for its clients.
type work struct {
	protocol string // http: requests; tcp: connections
	inFlight int64
	come     int64 // since Envoy started; 0 where it does not count that
}

// work asks for that of these listeners.
func (r Role) work(ctx context.Context, a *Admin, bound []Listener) (work, error) {
	for _, f := range r.flight {
		w, names := work{protocol: f.protocol}, f.names(bound)
		if len(names) == 0 {
			return w, nil // nothing listens
		}
		stats, err := a.matching(ctx, "^("+strings.Join(names, "|")+")("+active+"|"+total+")$")
		if err != nil {
			return work{}, err
		}
		found := false
		for name, value := range stats {
			if strings.HasSuffix(name, active) {
				w.inFlight, found = w.inFlight+value, true
			} else {
				w.come += value
			}
		}
		if found {
			return w, nil
		}
	}
	return work{}, errors.New("envoy has no gauge of what is in flight")
}

// ready says where Envoy listens, when all is bound that is to be; "": it is not yet.
func (r Role) ready(ctx context.Context, a *Admin, listen string) (at string) {
	if !r.sent {
		if listeners, err := a.Listeners(ctx); err != nil || !bound(listeners, listen) {
			return ""
		}
		return listen
	}
	sent, err := a.Sent(ctx)
	if err != nil {
		return ""
	}
	var all []string
	for _, l := range sent {
		if !l.Address.IsValid() {
			return ""
		}
		all = append(all, l.Address.String())
	}
	return strings.Join(all, ", ")
}

// Sent lists the listeners that Consul has sent, without Envoy's static ones; one that is not
// bound (yet) has no address.
func (a *Admin) Sent(ctx context.Context) ([]Listener, error) {
	body, err := a.call(ctx, http.MethodGet, "/config_dump?resource=dynamic_listeners&mask=name,active_state.version_info,warming_state.version_info", http.StatusOK)
	if err != nil {
		return nil, err
	}
	var dump struct {
		Configs []struct {
			Name    string          `json:"name"`
			Active  json.RawMessage `json:"active_state"`
			Warming json.RawMessage `json:"warming_state"`
		} `json:"configs"`
	}
	if err := json.Unmarshal(body, &dump); err != nil {
		return nil, fmt.Errorf("envoy admin /config_dump: answer is not the JSON expected: %w", err)
	}
	if len(dump.Configs) == 0 {
		return nil, nil
	}
	listeners, err := a.Listeners(ctx)
	if err != nil {
		return nil, err
	}
	var all []Listener
	for _, c := range dump.Configs {
		l := Listener{Name: c.Name}
		for _, b := range listeners {
			if b.Name == c.Name && c.Name != "" && c.Active != nil && c.Warming == nil {
				l.Address = b.Address
			}
		}
		all = append(all, l)
	}
	return all, nil
}
