package event

// The names of conditions (CONTRACT §6): what is to hold while a task is up.
const (
	CondAppReady            = "app-ready"
	CondAppHealthy          = "app-healthy"
	CondEnvoyLive           = "envoy-live"
	CondListenerBound       = "listener-bound"
	CondAgentAlive          = "agent-alive"
	CondLeases              = "leases"
	CondEnvoyConfigAccepted = "envoy-config-accepted"
	CondUpstream            = "upstream:" // with the upstream's name behind it
	CondServiceToken        = "service-token"
	CondAgentToken          = "agent-token"
	CondGateway             = "gateway" // Consul has what it serves by
	CondServersReachable    = "servers-reachable"
	CondRegistered          = "registered"
	CondCertificate         = "certificate"
	CondChecksPassing       = "checks-passing"
	CondRestarts            = "restarts"
	CondMemory              = "memory"
	CondStopBudget          = "stop-budget"
)
