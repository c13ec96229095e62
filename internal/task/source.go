package task

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"meshtask/internal/event"
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
		reason = unhealthy(now, p.Rows)
		if reason == "" && p.Kind.HasMesh() && p.App != nil && !now.App.OK { // apps of other containers have a health of their own
			reason = cmp.Or(now.App.Reason, "the app is not healthy")
		}
	})
	return reason == "", reason
}

// unhealthy is why a task is not healthy; "": it is.
func unhealthy(s *state.State, rows lifecycle.Timeline) string {
	switch {
	case s.Stopping:
		return "the task is stopping"
	case !s.Up:
		return "the task is starting" + waitText(s)
	}
	for _, part := range []struct {
		unit      lifecycle.Unit
		name, how string
	}{{lifecycle.ConsulAgent, "the Consul agent", "its API"}, {lifecycle.Envoy, "Envoy", "its admin interface"}} {
		switch u := s.Unit(string(part.unit)); {
		case !rows.Has(part.unit) || u.State == state.Running:
		case u.Hangs:
			return part.name + " hangs: " + part.how + " does not answer"
		case u.LastError != "":
			return part.name + " is down: " + u.LastError
		default:
			return part.name + " is down"
		}
	}
	for _, name := range s.LeaseNames() {
		if s.Leases[name].Lost {
			return "the lease of container " + name + " is lost"
		}
	}
	return ""
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
	Service  string                `json:"service,omitempty"`
	Task     string                `json:"task,omitempty"`
	State    string                `json:"state"` // STARTING, RUNNING, STOPPING
	Healthy  bool                  `json:"healthy"`
	Reason   string                `json:"reason,omitempty"` // why it is not
	Why      state.Why             `json:"why"`
	Uptime   string                `json:"uptime"`
	Budget   string                `json:"budget"`
	StopPlan []lifecycle.Step      `json:"stop_plan"`
	Units    []state.Unit          `json:"units"`
	Waiting  map[string]state.Wait `json:"waiting,omitempty"`
	Health   any                   `json:"health,omitempty"`
	Summary  json.RawMessage       `json:"summary"`
	Timeline []event.Entry         `json:"timeline"`
}

// Status is the live state.
func (s *source) Status() any {
	p := s.t.plan
	out := Status{Task: p.Task.ID, Budget: p.Stop.String(), StopPlan: p.Stop.Steps(), Waiting: map[string]state.Wait{},
		Uptime: time.Since(s.t.d.Begin).Round(time.Second).String(), Timeline: s.t.book.Entries()}
	if p.Service != nil {
		out.Service = p.Service.Name
	}
	out.Healthy, out.Reason = s.Health()
	s.t.book.Read(func(now *state.State) {
		out.State = now.Phase()
		out.Why = why.Of(now)
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
