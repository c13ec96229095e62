package task

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/plan"
	"meshtask/internal/state"
	"meshtask/internal/why"
	"meshtask/lifecycle"
)

// source answers the admin interface from the state.
type source struct {
	t *task
	u *units
}

// Up says whether T2 was reached and no stop began.
func (s *source) Up() (up bool) {
	s.t.book.Read(func(now *state.State) { up = now.Up && !now.Stopping })
	return up
}

// Health says whether the task is up and its app healthy, and if not, why: one line.
func (s *source) Health() (ok bool, reason string) {
	p := s.t.plan
	s.t.book.Read(func(now *state.State) {
		reason = unhealthy(now)
		if reason == "" && p.Kind.HasMesh() && p.App != nil && !now.App.OK { // apps of other containers have a health of their own
			reason = cmp.Or(now.App.Reason, "the app is not healthy")
		}
	})
	return reason == "", reason
}

// unhealthy is why a task is not healthy; "": it is.
func unhealthy(s *state.State) string {
	switch {
	case s.Stopping:
		return "the task is stopping"
	case !s.Up:
		return "the task is starting" + waitText(s)
	}
	for _, c := range state.Failing(s.Conditions(time.Now())) {
		if text, counts := unhealthyBy(c); counts {
			return text
		}
	}
	return ""
}

// unhealthyBy is what a condition that does not hold says of the task's health. false: it
// does not count, such as servers that cannot be reached: a Consul outage must not restart
// every task.
func unhealthyBy(c state.Condition) (text string, counts bool) {
	part := map[string][2]string{event.CondAgentAlive: {"the Consul agent", "its API"}, event.CondEnvoyLive: {"Envoy", "its admin interface"}, event.CondAppReady: {"the app", "it"}}[c.Name]
	switch {
	case c.Name == event.CondAppHealthy, c.Name == event.CondLeases:
		return c.Reason, true
	case part[0] == "":
		return "", false
	case c.Code == event.Hangs:
		return part[0] + " hangs: " + part[1] + " does not answer", true
	case c.Reason == state.Restarting:
		return part[0] + " is down", true
	}
	return part[0] + " is down: " + c.Reason, true
}

// waitText names the longest wait, for a one-line answer.
func waitText(s *state.State) string {
	var longest *state.Unit
	for _, u := range s.Units {
		if u.Wait != nil && (longest == nil || u.Wait.Since.Before(longest.Wait.Since)) {
			longest = u
		}
	}
	if longest == nil {
		return ""
	}
	text := fmt.Sprintf(": %s waits for %s", longest.Unit, longest.Wait.What)
	if longest.Wait.Err != "" {
		text += " (" + longest.Wait.Err + ")"
	}
	return text
}

// Status is what `meshtask status --json` prints.
type Status struct {
	Service    string                `json:"service,omitempty"`
	Task       string                `json:"task,omitempty"`
	State      string                `json:"state"` // STARTING, RUNNING, STOPPING
	Healthy    bool                  `json:"healthy"`
	Reason     string                `json:"reason,omitempty"` // why it is not
	Why        state.Why             `json:"why"`
	Uptime     string                `json:"uptime"`
	Place      Place                 `json:"place"`
	Budget     string                `json:"budget"`
	StopPlan   []lifecycle.Step      `json:"stop_plan"`
	Conditions []state.Condition     `json:"conditions"`
	Units      []state.Unit          `json:"units"`
	Waiting    map[string]state.Wait `json:"waiting,omitempty"`
	Health     any                   `json:"health,omitempty"`
	Summary    json.RawMessage       `json:"summary"`
	Timeline   []event.Entry         `json:"timeline"`
}

// Place is where a task and its parts are to be found.
type Place struct {
	PID      int    `json:"pid"`                // of meshtask itself
	Address  string `json:"address,omitempty"`  // of the task
	App      string `json:"app,omitempty"`      // where Envoy finds the app
	Listener string `json:"listener,omitempty"` // where Envoy takes traffic of the mesh
	Agent    string `json:"agent,omitempty"`    // the Consul agent's API
}

// place is where the plan has put everything.
func place(p *plan.Plan) Place {
	out := Place{PID: os.Getpid(), Address: p.Task.Address}
	if p.Service == nil {
		return out
	}
	out.Listener = p.Envoy.Listen
	if p.Agent != nil {
		out.Agent = p.Agent.HTTP
	}
	if p.Service.Port != 0 {
		out.App = net.JoinHostPort(cmp.Or(p.Service.Proxy.LocalServiceAddress, "127.0.0.1"), strconv.Itoa(p.Service.Port))
	}
	return out
}

// Status is the live state.
func (s *source) Status() any {
	p := s.t.plan
	out := Status{Task: p.Task.ID, Budget: p.Stop.String(), StopPlan: p.Stop.Steps(), Waiting: map[string]state.Wait{},
		Uptime: time.Since(s.t.d.Begin).Round(time.Second).String(), Place: place(p), Timeline: s.t.book.Entries()}
	if p.Service != nil {
		out.Service = p.Service.Name
	}
	out.Healthy, out.Reason = s.Health()
	s.t.book.Read(func(now *state.State) {
		out.State = now.Phase()
		out.Place.Listener = cmp.Or(out.Place.Listener, now.Listens)
		out.Why, out.Conditions = why.Of(now), now.Conditions(time.Now())
		out.Summary = json.RawMessage(now.Summary.Line())
		for _, u := range now.Rows() {
			out.Units = append(out.Units, *u)
		}
		for _, u := range now.Units {
			if u.Wait != nil {
				out.Waiting[u.Unit] = *u.Wait
			}
		}
	})
	if s.u.sync != nil {
		out.Health = s.u.sync.Snapshot()
	}
	return out
}
