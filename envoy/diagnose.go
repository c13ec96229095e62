package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"meshtask/internal/event"
)

const (
	statConnected    = "control_plane.connected_state"
	statCDSSuccess   = "cluster_manager.cds.update_success"
	statCDSFailure   = "cluster_manager.cds.update_failure"
	statCDSRejected  = "cluster_manager.cds.update_rejected"
	statLDSSuccess   = "listener_manager.lds.update_success"
	statLDSRejected  = "listener_manager.lds.update_rejected"
	statCreateFailed = "listener_manager.listener_create_failure"
)

// Finding is what is missing until Envoy listens, and what usually puts it right. Its zero value
// says that nothing is.
type Finding struct {
	Code  event.Code
	Seen  string
	Fix   string
	Facts event.Facts
}

// Diagnose says what is missing until Envoy listens on listen, or as a gateway at all.
func (a *Admin) Diagnose(ctx context.Context, r Role, listen string) Finding {
	state, err := a.Ready(ctx)
	if err != nil {
		return Finding{Code: event.EnvoyAdmin, Seen: "its admin interface does not answer: " + err.Error(),
			Fix: "look at Envoy's own log lines: it is starting, starved of CPU or stuck"}
	}
	stats, err := a.Stats(ctx, statConnected, statCDSSuccess, statCDSFailure, statCDSRejected,
		statLDSSuccess, statLDSRejected, statCreateFailed, statAgentRefused,
		statServersRefused, statServersName, statServersCA, statServersNoTLS)
	if err != nil {
		return notReady(state, "and its statistics cannot be read: "+err.Error())
	}
	listeners, err := a.Listeners(ctx)
	if err != nil {
		return notReady(state, "and its listeners cannot be read: "+err.Error())
	}
	switch {
	case state == "LIVE" && r.of().ready(ctx, a, listen) != "":
		return Finding{}
	case stats[statLDSRejected]+stats[statCreateFailed] > 0:
		reason := a.refusal(ctx)
		return Finding{Code: event.ListenerRejected, Facts: event.Facts{"reason": reason}, Seen: "a listener was refused by Envoy: " + reason,
			Fix: "look at envoy_public_listener_json and the other listener settings of proxy.config, and at the Envoy version"}
	case stats[statCDSRejected] > 0:
		return Finding{Code: event.ClusterRejected, Seen: "a cluster was refused by Envoy; its log says why",
			Fix: "look at envoy_local_cluster_json and upstreams' envoy_cluster_json, and at the Envoy version"}
	}
	if r.of().sent && state == "LIVE" {
		return Finding{Code: event.XDSNoListeners, Seen: "it is live, and has no listener that is bound",
			Fix: "look at the gateway's config entry, and at what the token may read"}
	}
	return explain(state, stats, listeners, listen)
}

// notReady is a finding that says no more than the state does.
func notReady(state, what string) Finding {
	return Finding{Code: event.EnvoyNotReady, Seen: "state " + state + ", " + what, Fix: "look at Envoy's own log lines"}
}

// explain is the table of what a missing step looks like from outside. The
// order is that of the steps.
func explain(state string, stats map[string]int64, listeners []Listener, listen string) Finding {
	missing := atAgent
	if _, ok := stats[statServersRefused]; ok {
		missing = atServers
	}
	if f := missing(state, stats); f.Code != "" {
		return f
	}
	if state != "LIVE" {
		return Finding{Code: event.EnvoyNotReady, Seen: "state " + state + ": it has its listeners, but is not live", Fix: "look at Envoy's own log lines"}
	}
	return Finding{Code: event.ListenerElsewhere, Facts: event.Facts{"address": listen, "bound": names(listeners)},
		Seen: fmt.Sprintf("it is live, but nothing listens on %s; bound are %s", listen, names(listeners)),
		Fix:  "check that proxy.config sets no other bind_address or bind_port, and that this machine has the address"}
}

// refusal is the reason that Envoy keeps with a refused listener (with a cluster
// it keeps none). Nothing else of the dump is shown: it holds certificates.
func (a *Admin) refusal(ctx context.Context) string {
	body, err := a.call(ctx, http.MethodGet, "/config_dump?resource=dynamic_listeners", http.StatusOK)
	if err != nil {
		return err.Error()
	}
	var dump struct {
		Configs []struct {
			Name  string `json:"name"`
			Error struct {
				Details string `json:"details"`
			} `json:"error_state"`
		} `json:"configs"`
	}
	if err := json.Unmarshal(body, &dump); err != nil {
		return "its configuration dump cannot be read: " + err.Error()
	}
	for _, c := range dump.Configs {
		if c.Error.Details != "" {
			return clip(strings.Join(strings.Fields(c.Name+": "+c.Error.Details), " "))
		}
	}
	return "Envoy's own log lines say why"
}

// bound tells whether a listener is on the port of listen, and on its address
// or on all of them.
func bound(listeners []Listener, listen string) bool {
	want, err := listenAddress(listen)
	if err != nil {
		return false
	}
	for _, l := range listeners {
		all := want.Addr().IsUnspecified() || l.Address.Addr().IsUnspecified()
		if l.Address.IsValid() && l.Address.Port() == want.Port() && (all || l.Address.Addr() == want.Addr()) {
			return true
		}
	}
	return false
}

// listenAddress reads "IP:PORT" or ":PORT", which is all addresses.
func listenAddress(listen string) (netip.AddrPort, error) {
	if strings.HasPrefix(listen, ":") {
		listen = "0.0.0.0" + listen
	}
	return netip.ParseAddrPort(listen)
}

func names(listeners []Listener) string {
	if len(listeners) == 0 {
		return "none"
	}
	all := make([]string, len(listeners))
	for i, l := range listeners {
		all[i] = l.Name
	}
	return strings.Join(all, ", ")
}
