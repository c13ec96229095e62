package config

import (
	"slices"
	"strings"

	"meshtask/internal/secret"
)

// Reference is a secret that a field wants.
type Reference struct {
	Path string // JSON path of the field
	Ref  secret.Ref
}

// fillSecrets turns the variables of CONTRACT §2 into references where the
// field is absent, and decides what follows from there being one.
func (c *Config) fillSecrets(r *report, env func(string) string) {
	from := func(path string, to *secret.Ref, name string) {
		if !r.given[path] && to.IsZero() && env(name) != "" {
			*to, r.alias[path] = secret.Ref{Kind: secret.Env, Name: name}, name
		}
	}
	if c.ConsulAgent.External == "" && c.ConsulServers == nil {
		from("consulAgent.gossipKey", &c.ConsulAgent.GossipKey, "CONSUL_GOSSIP_ENCRYPTION_KEY")
	}
	ca := &c.ConsulAgent.CACert
	from("consulAgent.caCert", ca, "CONSUL_CACERT_PEM")
	if v := env("CONSUL_CACERT"); v != "" && !isPEM(v) && ca.IsZero() && !r.given["consulAgent.caCert"] {
		*ca, r.alias["consulAgent.caCert"] = secret.Ref{Kind: secret.File, Path: v}, "CONSUL_CACERT"
	}
	from("consulAgent.caCert", ca, "CONSUL_CACERT")
	if !r.given["consulAgent.autoEncrypt"] {
		c.ConsulAgent.AutoEncrypt = !ca.IsZero()
	}
	if !r.given["consulAgent.verifyServerHostname"] {
		c.ConsulAgent.VerifyServerHostname = !ca.IsZero() || c.ConsulAgent.AutoEncrypt
	}
	if name := env("CONSUL_TLS_SERVER_NAME"); name != "" && !r.given["consulAgent.tlsServerName"] {
		c.ConsulAgent.TLSServerName, r.alias["consulAgent.tlsServerName"] = name, "CONSUL_TLS_SERVER_NAME"
	}
	if c.ConsulServers != nil {
		c.fillServerCAs(r, env)
	}
	c.fillACL(r, from)
}

// isPEM says whether a value is a certificate itself, not a path to one.
func isPEM(v string) bool { return strings.HasPrefix(strings.TrimSpace(v), "-----BEGIN") }

// References are all secrets that the configuration wants, in a fixed order.
func (c *Config) References() []Reference {
	list := []Reference{
		{"consulAgent.gossipKey", c.ConsulAgent.GossipKey},
		{"consulAgent.caCert", c.ConsulAgent.CACert},
		{"acl.serviceToken", c.ACL.ServiceToken},
		{"acl.agentToken", c.ACL.AgentToken},
	}
	if s := c.ConsulServers; s != nil {
		list = append(list, Reference{"consulServers.http.caCertFile", s.HTTP.CACert}, Reference{"consulServers.grpc.caCertFile", s.GRPC.CACert})
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
	names := []string{"AGENT_TOKEN", "CONSUL_CACERT", "CONSUL_CACERT_PEM", "CONSUL_GOSSIP_ENCRYPTION_KEY", "CONSUL_GRPC_CACERT_PEM", "CONSUL_HTTPS_CACERT_PEM", "CONSUL_HTTP_TOKEN"}
	for _, r := range c.References() {
		if r.Ref.Kind == secret.Env {
			names = append(names, r.Ref.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
