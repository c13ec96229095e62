package config

// Envoy is the task's proxy process.
type Envoy struct {
	Command       string   `json:"command,omitempty"`   // a name to look up on PATH, or a path
	Bootstrap     string   `json:"bootstrap,omitempty"` // builtin, consul
	StatsTags     bool     `json:"statsTags"`
	LogLevel      string   `json:"logLevel,omitempty"`
	Concurrency   int      `json:"concurrency,omitempty"` // 0: from the CPU quota, at least 1
	ExtraArgs     []string `json:"extraArgs,omitempty"`
	Admin         string   `json:"admin,omitempty"` // HOST:PORT; empty: unix socket in the state directory
	ReadyTimeout  Duration `json:"readyTimeout,omitzero"`
	Restart       Restart  `json:"restart,omitzero"`
	StrictVersion bool     `json:"strictVersion,omitempty"`
}
