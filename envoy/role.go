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
	flight []flight // what is in flight: the first of whose first count Envoy has any
}

// flight is what counts as in flight.
type flight struct {
	protocol string // http: requests; tcp: connections
	counts   func(bound []Listener) []count
}

// count is statistics that are added up, or taken off, as far as Envoy has them.
type count struct {
	names string // an expression, without active and total
	off   bool
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

// TerminatingGateway has sidecars for clients. They keep idle connections to an http service until
// they hear that the gateway is gone: once in some 200 stops not within 15 s, while they used none.
func TerminatingGateway() Role {
	return Role{sent: true, drain: drainAll, flight: []flight{{"http", served}, {"tcp", connections}}}
}

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

func exactly(name string) func([]Listener) []count {
	return func([]Listener) []count { return []count{{names: regexp.QuoteMeta(name)}} }
}

// connections are those of every listener that Consul has sent.
func connections(bound []Listener) (all []count) {
	for _, l := range bound {
		name := strings.ReplaceAll(l.Address.String(), ":", "_")
		if a := l.Address.Addr(); a.Is6() { // the brackets' inside stays
			name = fmt.Sprintf("[%s]_%d", a, l.Address.Port())
		}
		all = append(all, count{names: `listener\.` + regexp.QuoteMeta(name) + `\.downstream_cx`})
	}
	return all
}

// served are a terminating gateway's requests to http services, and the connections to others.
func served(bound []Listener) []count {
	if len(bound) == 0 {
		return nil
	}
	http := []count{{names: `http\.upstream\..*\.downstream_rq`}, {names: `http\.upstream\..*\.downstream_cx`, off: true}}
	return append(http, connections(bound)...)
}

// requests are those of an API gateway's http listeners, and the connections of its others, whose
// names begin with their protocol.
func requests(bound []Listener) (all []count) {
	var others []Listener
	for _, l := range bound {
		if strings.HasPrefix(l.Name, "tcp:") {
			others = append(others, l)
		}
	}
	if len(others) < len(bound) {
		all = append(all, count{names: `http\.ingress_upstream_.*\.downstream_rq`})
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
		w, counts := work{protocol: f.protocol}, f.counts(bound)
		if len(counts) == 0 {
			return w, nil // nothing listens
		}
		var names []string
		for _, c := range counts {
			names = append(names, c.names)
		}
		stats, err := a.matching(ctx, "^("+strings.Join(names, "|")+")("+active+"|"+total+")$")
		if err != nil {
			return work{}, err
		}
		if w.add(counts, stats) {
			return w, nil
		}
	}
	return work{}, errors.New("envoy has no gauge of what is in flight")
}

// add adds up what the statistics have of counts; false: no gauge of the first.
func (w *work) add(counts []count, stats map[string]int64) (found bool) {
	for i, c := range counts {
		names := regexp.MustCompile("^" + c.names + "(" + active + "|" + total + ")$")
		for name, value := range stats {
			switch {
			case !names.MatchString(name):
				continue
			case c.off:
				value = -value
			}
			if strings.HasSuffix(name, active) {
				w.inFlight, found = w.inFlight+value, found || i == 0
			} else {
				w.come += value
			}
		}
	}
	w.inFlight = max(w.inFlight, 0) // Envoy counts them one after the other
	return found
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
