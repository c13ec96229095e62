// Package health keeps the Consul checks of one service and its sidecar equal to the truth
// about a task: source → desired → delta → one write. It knows ECS's health words and
// health check semantics, TTL checks, alias checks, maintenance mode and the one-way latch
// of a shutdown. It does not know how an agent is spoken to, where container documents
// come from, what registers a service, or the order of units: those are interfaces and
// callbacks of its Configs.
//
// This file is pure: the mapping, the overall state and the delta.
package health

import (
	"cmp"
	"fmt"
	"slices"
)

// Status is the status of a check at Consul. Warning is never written: proxies go on
// sending traffic to an instance that warns.
type Status string

// The two statuses that are written.
const (
	Passing  Status = "passing"
	Critical Status = "critical"
)

// State is what a check is to say. Output changes only together with a reason: an agent
// sends a changed output to the servers, late but at the price of a raft write.
type State struct {
	Status Status `json:"status"`
	Output string `json:"output"`
}

// Origin says whose word counts for a check, once the app and Envoy are ready.
type Origin int

// Origins of a check.
const (
	FromApp     Origin = iota // the app runs and is ready; nothing more is known
	FromProbe                 // Config.Probe: the app's own health check
	FromSibling               // Config.Siblings: ECS's word about another container
)

// Check is one TTL check of the service.
type Check struct {
	ID        string // CheckID, as registered
	Container string // whose health it tells
	Origin    Origin
}

// Facts is everything that a desired state follows from.
type Facts struct {
	Latched bool // shutdown has begun; never false again
	Never   bool // a run-to-completion task: takes no requests for life
	Envoy   bool // LIVE with its listener bound
	App     bool // running and ready
	Alone   bool // there is no app: Envoy is all
	// Health is the last word of the sources, by container. A missing one is critical.
	Health map[string]State
}

// Reasons that hold for every check at once. They name no check and no container, so that
// the alias check, which repeats the output of any one failing check, has one text too.
const (
	reasonStopping = "meshtask: the task is stopping"
	reasonNever    = "meshtask: a run-to-completion task takes no requests"
	reasonEnvoy    = "meshtask: Envoy is not ready"
	reasonApp      = "meshtask: the app is not ready"
	reasonNoWord   = "meshtask: no health result yet"
	reasonRunning  = "meshtask: the app runs and is ready"
	reasonListens  = "meshtask: Envoy is live, and its listeners are bound"
)

// gate is the state that overrides all containers; passing when none does.
func (f Facts) gate() State {
	switch {
	case f.Latched:
		return State{Critical, reasonStopping}
	case f.Never:
		return State{Critical, reasonNever}
	case !f.Envoy:
		return State{Critical, reasonEnvoy}
	case f.Alone:
		return State{Passing, reasonListens}
	case !f.App:
		return State{Critical, reasonApp}
	}
	return State{Passing, reasonRunning}
}

// Desired is the state that each check is to have, by check ID.
func Desired(f Facts, checks []Check) map[string]State {
	want := make(map[string]State, len(checks))
	gate := f.gate()
	for _, c := range checks {
		state := gate
		if gate.Status == Passing && c.Origin != FromApp {
			word, ok := f.Health[c.Container]
			if !ok {
				word = State{Critical, reasonNoWord}
			}
			state = word
		}
		want[c.ID] = state
	}
	return want
}

// own is the health of the app alone, whatever Envoy and siblings are, and also in a stop.
func (f Facts) own(checks []Check) State {
	f.Envoy, f.Latched, f.Never = true, false, false
	state := f.gate()
	for _, c := range checks {
		if c.Origin == FromProbe && f.App {
			state = Desired(f, []Check{c})[c.ID]
		}
	}
	return state
}

// probed says whether own is the word of a health check, and not that the app is not ready,
// or has no result yet.
func (f Facts) probed(checks []Check) bool {
	return f.App && slices.ContainsFunc(checks, func(c Check) bool {
		_, word := f.Health[c.Container]
		return c.Origin == FromProbe && word
	})
}

// Overall is the status of the sidecar, whose alias check follows the worst check: the
// first critical state in the order of check IDs, else passing.
func Overall(want map[string]State) State {
	worst := State{Passing, reasonRunning}
	first := ""
	for id, s := range want {
		if s.Status != Passing && (first == "" || id < first) {
			worst, first = s, id
		}
	}
	return worst
}

// Write is one update that brings a check from what was written to what is desired.
type Write struct {
	ID    string
	State State
	Turn  bool // the status changes or was unknown, not only the output
}

// Diff is the delta: the writes that turn written into desired, critical ones first, then
// by ID. A check that is written but not desired is left alone: a service that lost its
// last failing check would turn its alias passing.
func Diff(written, desired map[string]State) []Write {
	var delta []Write
	for id, want := range desired {
		was, known := written[id]
		if !known || was != want {
			delta = append(delta, Write{ID: id, State: want, Turn: !known || was.Status != want.Status})
		}
	}
	slices.SortFunc(delta, func(a, b Write) int {
		return cmp.Or(cmp.Compare(a.State.Status, b.State.Status), cmp.Compare(a.ID, b.ID))
	})
	return delta
}

// Container is what a task metadata endpoint says of one container.
type Container struct {
	Name    string
	Desired string // DesiredStatus: STOPPED before the stop signal is even sent
	Known   string // KnownStatus: NONE … RUNNING, STOPPED
	Health  string // Health.status: "" when the object is empty or absent
	// Checked: there is a Health object, so the task definition has a health check for it.
	Checked bool
}

// seen is what one look says of a container.
type seen struct {
	listed    bool // it was listed, now or before
	unchecked bool // it is listed without a Health object
	hasResult bool // its health check has a result: nothing is expected to change soon
	state     State
}

// look maps what the endpoint says to a state. c is nil when the container is not
// listed; listed says that it was before. Only HEALTHY passes, whatever was said
// before: when ECS does not vouch for a container any more, nobody does.
func look(name string, listed bool, c *Container) seen {
	says := func(status Status, word string) seen {
		return seen{listed: listed || c != nil, state: State{status, fmt.Sprintf("ECS health of container %q: %s", name, word)}}
	}
	switch {
	case c == nil && !listed:
		return says(Critical, "starting, not listed yet")
	case c == nil:
		return says(Critical, "the container has disappeared")
	case c.Known == "STOPPED":
		return says(Critical, "the container is STOPPED")
	case c.Desired == "STOPPED":
		return says(Critical, "the container is being stopped")
	case c.Health == "HEALTHY":
		s := says(Passing, "HEALTHY")
		s.hasResult = true
		return s
	case c.Health == "UNHEALTHY":
		s := says(Critical, "UNHEALTHY")
		s.hasResult = true
		return s
	case c.Health == "UNKNOWN" || c.Health == "" && c.Checked:
		return says(Critical, "UNKNOWN, no result")
	case c.Health == "":
		s := says(Critical, "no health check in the task definition")
		s.unchecked = true
		return s
	}
	return says(Critical, fmt.Sprintf("%.40q, which is no word of ECS", c.Health))
}
