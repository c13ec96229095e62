// Package lifecycle holds the order of a task's life: which unit starts when,
// which is asked to stop when, and the machine that keeps to it.
//
// Read this file first. The table below is the program; everything else here
// interprets it (machine.go), carries it out (conductor.go), budgets it
// (budget.go) or prints it (text.go, diagram.go).
//
// The package knows nothing of processes, Consul, Envoy, files or networks. It
// imports the standard library only, and neither os nor net.
package lifecycle

import (
	"cmp"
	"slices"
)

// Unit names one row of the table, in the words of Consul's "AWS ECS" page. A
// unit lives as long as its effect: mesh-init while the registration stands,
// inbound while the public listener takes new work.
type Unit string

// The units of a mesh task.
const (
	Token       Unit = "token"
	ConsulAgent Unit = "consul-agent"
	MeshInit    Unit = "mesh-init"
	Envoy       Unit = "envoy"
	HealthSync  Unit = "health-sync"
	Inbound     Unit = "inbound"
	App         Unit = "app"
)

// Mark is one of the documented page's points in time, T0 to T4. In the table
// it is a label for people, never a condition.
type Mark int

// The marks of either way. T3 and T4 exist on the way down only.
const (
	T0 Mark = iota
	T1
	T2
	T3
	T4
)

// String gives the page's word, such as "T0".
func (m Mark) String() string { return "T" + string(rune('0'+m)) }

// MarshalText is String.
func (m Mark) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Row says when one unit starts and when it is asked to stop.
type Row struct {
	Unit  Unit   `json:"unit"`
	Start Mark   `json:"start"`
	Needs []Unit `json:"needs,omitempty"` // start when all of these are ready
	Ready string `json:"ready"`           // what ready means, in words
	Stop  Mark   `json:"stop"`
	After []Unit `json:"after,omitempty"` // ask to stop when all of these have ended, or never began
	Then  string `json:"then"`            // what it does when asked, in words
	Moot  []Unit `json:"moot,omitempty"`  // in a shutdown: end it at once when one of these has ended, or on hurry
}

// Timeline is the table: one row per unit, in the order of the way up.
type Timeline []Row

// Documented is the default: the agent leaves last, so that the app has live
// discovery and certificates for as long as it runs.
func Documented() Timeline {
	return Timeline{
		{Unit: Token, Start: T0, Needs: nil, Ready: "every secret reference and login is resolved",
			Stop: T2, After: []Unit{MeshInit, Envoy}, Then: "logs the service token out, if it logged in"},
		{Unit: ConsulAgent, Start: T0, Needs: []Unit{Token}, Ready: "API up, joined, leader known",
			Stop: T2, After: []Unit{MeshInit, Envoy, Token}, Then: "leaves: TERM, own node seen gone, KILL; verified"},
		{Unit: MeshInit, Start: T0, Needs: []Unit{ConsulAgent}, Ready: "service and sidecar registered (critical), bootstrap written",
			Stop: T1, After: []Unit{Envoy}, Then: "deregisters both from the agent"},
		{Unit: Envoy, Start: T1, Needs: []Unit{MeshInit}, Ready: "admin /ready is LIVE and the public listener is bound",
			Stop: T1, After: []Unit{App}, Then: "quits: quitquitquit, TERM, KILL"},
		{Unit: HealthSync, Start: T1, Needs: []Unit{MeshInit}, Ready: "first sync written",
			Stop: T0, After: nil, Then: "latches; every check critical, acknowledged; the instance out of the servers' catalog"},
		{Unit: Inbound, Start: T1, Needs: []Unit{Envoy}, Ready: "check Proxy Public Listener added, passing",
			Stop: T0, After: []Unit{HealthSync}, Then: "propagation wait, then drain of the inbound listeners",
			Moot: []Unit{App, Envoy}},
		{Unit: App, Start: T2, Needs: []Unit{Envoy}, Ready: "its readiness probe, or started",
			Stop: T0, After: []Unit{HealthSync, Inbound}, Then: "stop signal, then KILL at its budget"},
	}
}

// AgentFirst is the letter of the page's T0: the agent leaves at once, and a
// slow app runs on Envoy's last snapshot.
func AgentFirst() Timeline {
	return Documented().with(
		Row{Unit: Token, Stop: T0, After: []Unit{MeshInit}},
		Row{Unit: ConsulAgent, Stop: T0, After: []Unit{MeshInit, Token}},
		Row{Unit: MeshInit, Stop: T0, After: []Unit{HealthSync}},
		Row{Unit: HealthSync, Stop: T0, Then: "latches; every check critical, acknowledged"},
		Row{Unit: Inbound, Stop: T0, After: []Unit{HealthSync, MeshInit}},
		Row{Unit: App, Stop: T0, After: []Unit{HealthSync, Inbound, MeshInit}},
	)
}

// Agentless is the order of a task without a client agent: registered at the servers, whose
// config source serves a sidecar for as long as it is in their catalog. So the stop moves the
// sidecar, and deregisters it when Envoy has ended.
func Agentless() Timeline {
	t := Documented().Without(ConsulAgent)
	for u, then := range map[Unit]string{
		MeshInit:   "deregisters the sidecar; verified",
		HealthSync: "latches; every check critical and the sidecar at another port, the service out of the catalog, acknowledged",
	} {
		t[t.index(u)].Then = then
	}
	t[t.index(MeshInit)].Ready = "a server found, service and sidecar registered (critical), bootstrap written"
	return t
}

// Gateway is the order of a task that is a gateway: its Envoy is all of it. Row app is dropped,
// so that Envoy lives until the stop and ends when the drain has.
func (t Timeline) Gateway() Timeline {
	out := t.Without(App)
	for u, words := range map[Unit][2]string{
		MeshInit:   {"gateway registered (critical), bootstrap written", "deregisters it"},
		Envoy:      {"admin /ready is LIVE and every listener that Consul sends is bound; an API gateway waits for its first", ""},
		HealthSync: {"", "latches; the check critical, acknowledged; the gateway out of the servers' catalog"},
		Inbound:    {"check of the listener added, passing", "propagation wait, then drain of the listeners, and as long as a balancer in front may still send"},
	} {
		i := out.index(u)
		if i < 0 {
			continue
		}
		out[i].Ready, out[i].Then = cmp.Or(words[0], out[i].Ready), cmp.Or(words[1], out[i].Then)
	}
	return out
}

// with replaces the stop half of the named rows; an empty Then keeps the words.
func (t Timeline) with(rows ...Row) Timeline {
	for _, r := range rows {
		i := t.index(r.Unit)
		t[i].Stop, t[i].After = r.Stop, r.After
		if r.Then != "" {
			t[i].Then = r.Then
		}
	}
	return t
}

// Without contracts the table: the named rows are dropped, and each row that names
// one of them inherits its conditions. Unknown units are ignored; t is not
// changed.
func (t Timeline) Without(units ...Unit) Timeline {
	out := slices.Clone(t)
	for _, u := range units {
		i := out.index(u)
		if i < 0 {
			continue
		}
		gone := out[i]
		out = slices.Delete(slices.Clone(out), i, i+1)
		for j := range out {
			out[j].Needs = inherit(out[j].Needs, u, gone.Needs)
			out[j].After = inherit(out[j].After, u, gone.After)
			out[j].Moot = inherit(out[j].Moot, u, gone.Moot)
		}
	}
	return out
}

// Has tells whether the table has a row for u.
func (t Timeline) Has(u Unit) bool { return t.index(u) >= 0 }

func (t Timeline) index(u Unit) int {
	return slices.IndexFunc(t, func(r Row) bool { return r.Unit == u })
}

// inherit replaces u in list by the conditions that u had, without repeats.
func inherit(list []Unit, u Unit, had []Unit) []Unit {
	if !slices.Contains(list, u) {
		return list
	}
	var out []Unit
	for _, v := range list {
		add := []Unit{v}
		if v == u {
			add = had
		}
		for _, w := range add {
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}
