package config

import "meshtask/internal/secret"

// ACL is where the task's Consul tokens come from.
type ACL struct {
	Enabled      bool       `json:"enabled"`
	ServiceToken secret.Ref `json:"serviceToken,omitzero"` // zero: none, or Login
	AgentToken   secret.Ref `json:"agentToken,omitzero"`
	Wait         Duration   `json:"wait,omitzero"`   // longest wait for a secret that is not filled yet
	Refresh      Duration   `json:"refresh"`         // between two looks whether ServiceToken is another one; 0: never
	Login        *Login     `json:"login,omitempty"` // nil: no login
}

// Login gets the service token from Consul's aws-iam auth method, and the
// agent's where AgentMethod is set.
type Login struct {
	Method              string            `json:"method,omitempty"`
	AgentMethod         string            `json:"agentMethod,omitempty"` // empty: the agent has AgentToken, or none
	Datacenter          string            `json:"datacenter,omitempty"`
	Partition           string            `json:"partition,omitempty"` // Enterprise; empty: service.partition, else consulAgent.partition
	Meta                map[string]string `json:"meta,omitempty"`
	Server              string            `json:"server,omitempty"` // URL or HOST:PORT of a Consul server's HTTP API
	CACert              secret.Ref        `json:"caCert,omitzero"`  // of that server; default: consulAgent.caCert
	IncludeEntity       bool              `json:"includeEntity"`
	Region              string            `json:"region,omitempty"`
	STSEndpoint         string            `json:"stsEndpoint,omitempty"`
	ServerIDHeaderValue string            `json:"serverIdHeaderValue,omitempty"`
}
