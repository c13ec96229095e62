package config

import (
	"net"
	"net/url"
	"strings"
	"time"

	"meshtask/internal/secret"
)

// ACL is where the task's Consul tokens come from.
type ACL struct {
	Enabled      bool       `json:"enabled"`
	ServiceToken secret.Ref `json:"serviceToken,omitzero"` // zero: none, or Login
	AgentToken   secret.Ref `json:"agentToken,omitzero"`
	Wait         Duration   `json:"wait,omitzero"`   // longest wait for a secret that is not filled yet
	Refresh      Duration   `json:"refresh"`         // between two looks whether the tokens are other ones; 0: never
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

// minRefresh bounds what a task's look at its secret costs.
const minRefresh = time.Second

func (v checker) acl() {
	a := v.c.ACL
	v.positive("acl.wait", a.Wait)
	if r := a.Refresh.Duration; r > 0 && r < minRefresh {
		v.error("acl.refresh", "must be 0s (never) or at least %s, got %s", minRefresh, r)
	}
	if v.c.ConsulServers != nil && (v.given["acl.agentToken"] || a.Login != nil && a.Login.AgentMethod != "") {
		v.error("acl", "agentToken and login.agentMethod are for a client agent: with consulServers there is none")
	}
	if a.Login == nil {
		return
	}
	if !a.ServiceToken.IsZero() {
		v.error("acl.serviceToken", "set only one of acl.serviceToken and acl.login")
	}
	if a.Login.AgentMethod != "" && !a.AgentToken.IsZero() {
		v.error("acl.agentToken", "set only one of acl.agentToken and acl.login.agentMethod")
	}
	if a.Login.AgentMethod != "" && v.c.ConsulAgent.External != "" {
		v.error("acl.login.agentMethod", "cannot be used with consulAgent.external: that agent has its own token")
	}
	switch s := a.Login.Server; {
	case s == "" && v.c.ConsulServers != nil: // one of them
	case s == "":
		v.error("acl.login.server", "required: the HTTP API of a Consul server, such as https://consul.example.com:8501")
	case len(s) > 4 && s[:4] == "http":
		v.url("acl.login.server", s)
	default:
		v.hostPort("acl.login.server", s)
	}
	if a.Login.STSEndpoint != "" {
		v.url("acl.login.stsEndpoint", a.Login.STSEndpoint)
	}
}

func (c *Config) fillACL(r *report, from func(string, *secret.Ref, string)) {
	a := &c.ACL
	if r.given["acl.enabled"] && !a.Enabled {
		if !a.ServiceToken.IsZero() || !a.AgentToken.IsZero() || a.Login != nil {
			r.warn("acl.enabled", "false: the tokens and the login given under acl are not used")
		}
		a.ServiceToken, a.AgentToken, a.Login = secret.Ref{}, secret.Ref{}, nil
		return
	}
	if a.Login == nil || c.ConsulServers != nil && r.alias["acl.login"] == "consulLogin" && a.ServiceToken.IsZero() {
		from("acl.serviceToken", &a.ServiceToken, "CONSUL_HTTP_TOKEN")
		if !a.ServiceToken.IsZero() { // consul-ecs from 0.7 on does not log in then
			a.Login = nil
		}
	}
	if c.ConsulServers == nil { // else there is no agent
		from("acl.agentToken", &a.AgentToken, "AGENT_TOKEN")
	}
	if l := a.Login; l != nil {
		if l.Method == "" {
			l.Method = "iam-ecs-service-token"
		}
		switch {
		case !l.CACert.IsZero():
		case c.ConsulServers != nil && l.Server == "":
			l.CACert = c.ConsulServers.HTTP.CACert
		default:
			l.CACert = c.ConsulAgent.CACert
		}
		if r.alias["acl.login"] == "consulLogin" {
			c.asConsulClient(from)
		}
		if !r.given["acl.login.includeEntity"] {
			l.IncludeEntity = true
		}
	}
	tokens := !a.ServiceToken.IsZero() || !a.AgentToken.IsZero() || a.Login != nil
	if !r.given["acl.enabled"] {
		a.Enabled = tokens
	} else if !tokens {
		r.warn("acl.enabled", "true, but there is no token and no login: set acl.serviceToken, CONSUL_HTTP_TOKEN or acl.login")
	}
}

// loginTransport refuses a CA that a plain-http server would never use.
func (v checker) loginTransport() {
	l := v.c.ACL.Login
	if l == nil || l.Server == "" {
		return
	}
	if u, err := url.Parse(l.STSEndpoint); err == nil && u.Scheme == "http" && !local(u.Hostname()) {
		v.warn("acl.login.stsEndpoint", "%s is reached by plain http: the signed request can be read on the way; write https://", l.STSEndpoint)
	}
	host, ok := plainHTTP(l.Server)
	if !ok {
		return
	}
	address := strings.TrimPrefix(l.Server, "http://")
	switch {
	case !l.CACert.IsZero():
		ca := "acl.login.caCert"
		if !v.given[ca] && v.name(ca) == ca {
			ca = "consulAgent.caCert"
		}
		v.error("acl.login.server", "%q is plain http, though there is a CA (%s): write https://%s, or remove the CA", l.Server, v.name(ca), address)
	case !local(host):
		v.warn("acl.login.server", "%s is reached by plain http: the login and its token can be read on the way; write https://%s", l.Server, address)
	}
}

// plainHTTP is the host of an address that Consul's client reaches without
// TLS: http://…, or HOST:PORT without a scheme.
func plainHTTP(server string) (host string, ok bool) {
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		return u.Hostname(), u.Scheme == "http"
	}
	host, _, err := net.SplitHostPort(server)
	return host, err == nil
}
