package config

import (
	"time"
)

// Shutdown is the stop budget and its steps. A value that was not given may
// shrink to fit the budget; see Duration.Given.
type Shutdown struct {
	StopTimeout Duration `json:"stopTimeout,omitzero"` // ECS's stopTimeout
	AgentLeave  string   `json:"agentLeave,omitempty"` // last (timeline documented), first (agent-first)
	Drain       Drain    `json:"drain,omitzero"`
}

// Drain is how inbound traffic ends.
type Drain struct {
	Enabled         bool     `json:"enabled"`
	PropagationWait Duration `json:"propagationWait,omitzero"` // a given 0 stays 0
	Min             Duration `json:"min,omitzero"`
	Max             Duration `json:"max,omitzero"` // 0 and not given: what the budget leaves
}

// minStopMesh and minStop bound the stop budget: what the end itself, Envoy and
// the agent's leave need, and what the last KILL needs.
const (
	minStopMesh = 5 * time.Second
	minStop     = time.Second
)

func (v checker) shutdown() {
	s := v.c.Shutdown
	stop := s.StopTimeout.Duration
	if v.c.Mode.Mesh() && stop < minStopMesh {
		v.error("shutdown.stopTimeout", "must be at least %s with a mesh, got %s", minStopMesh, stop)
	} else if stop < minStop {
		v.error("shutdown.stopTimeout", "must be at least %s, got %s", minStop, stop)
	}
	v.oneOf("shutdown.agentLeave", s.AgentLeave, "last", "first")
	for _, d := range []struct {
		path string
		d    Duration
	}{
		{"shutdown.drain.propagationWait", s.Drain.PropagationWait},
		{"shutdown.drain.min", s.Drain.Min},
		{"shutdown.drain.max", s.Drain.Max},
		{"app.stopTimeout", v.c.App.StopTimeout},
	} {
		if d.d.Given && d.d.Duration >= stop {
			v.error(d.path, "%s does not fit into shutdown.stopTimeout %s", d.d, stop)
		}
	}
	if s.Drain.Max.Given && s.Drain.Max.Duration < s.Drain.Min.Duration {
		v.error("shutdown.drain.max", "%s is below shutdown.drain.min %s", s.Drain.Max, s.Drain.Min)
	}
	if v.given["app.stopTimeout"] {
		v.positive("app.stopTimeout", v.c.App.StopTimeout)
	}
}
