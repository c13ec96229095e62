package config

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
