package config

import (
	"slices"

	"meshtask/internal/secret"
)

// Reference is a secret that a field wants.
type Reference struct {
	Path string // JSON path of the field
	Ref  secret.Ref
}

// References are all secrets that the configuration wants, in a fixed order.
func (c *Config) References() []Reference {
	list := []Reference{
		{"consulAgent.gossipKey", c.ConsulAgent.GossipKey},
		{"consulAgent.caCert", c.ConsulAgent.CACert},
		{"acl.serviceToken", c.ACL.ServiceToken},
		{"acl.agentToken", c.ACL.AgentToken},
	}
	if c.ACL.Login != nil {
		list = append(list, Reference{"acl.login.caCert", c.ACL.Login.CACert})
	}
	for _, name := range sorted(c.App.Env) {
		list = append(list, Reference{join("app.env", name), c.App.Env[name].From})
	}
	return slices.DeleteFunc(list, func(r Reference) bool { return r.Ref.IsZero() })
}

// SecretVariables are the variables that no child may inherit in a mesh: those
// that a reference names, and those that are read by default.
func (c *Config) SecretVariables() []string {
	names := []string{"AGENT_TOKEN", "CONSUL_CACERT", "CONSUL_CACERT_PEM", "CONSUL_GOSSIP_ENCRYPTION_KEY", "CONSUL_HTTP_TOKEN"}
	for _, r := range c.References() {
		if r.Ref.Kind == secret.Env {
			names = append(names, r.Ref.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
