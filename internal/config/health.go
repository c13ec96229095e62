package config

// Health is what the service's TTL checks tell Consul.
type Health struct {
	App       *HealthCheck `json:"app,omitempty"`       // nil: the app is healthy while it runs and is ready
	Container string       `json:"container,omitempty"` // whose name the own check bears; default: own container, else "app"
	TTL       Duration     `json:"ttl,omitzero"`
	Interval  Duration     `json:"interval,omitzero"` // of the metadata poll while something changes; five times it when steady, 1.5s at most while one passes
}

// HealthCheck is an ECS container health check; the times are in seconds.
type HealthCheck struct {
	Command     []string `json:"command"` // begins with CMD or CMD-SHELL
	Interval    int      `json:"interval,omitempty"`
	Timeout     int      `json:"timeout,omitempty"`
	Retries     int      `json:"retries,omitempty"`
	StartPeriod int      `json:"startPeriod,omitempty"` // 0: off
}
