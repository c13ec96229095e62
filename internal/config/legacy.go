package config

import (
	"slices"
	"strings"

	"meshtask/internal/secret"
)

// document is what a JSON document may hold: a Config, and the keys of
// consul-ecs v0.3 to v0.6 that have another place in it.
type document struct {
	*Config
	LogLevel         string      `json:"logLevel,omitempty"`
	ConsulHTTPAddr   string      `json:"consulHTTPAddr,omitempty"`
	ConsulCACertFile string      `json:"consulCACertFile,omitempty"`
	ConsulLogin      consulLogin `json:"consulLogin,omitzero"`

	// Of consul-ecs 0.7 and later.
	TransparentProxy *transparentProxy `json:"transparentProxy,omitempty"`
	Controller       map[string]any    `json:"controller,omitempty"` // the old controller's, read by no task
}

// transparentProxy is consul-ecs's; what else it says is of no use while it is off.
type transparentProxy struct {
	Enabled              bool           `json:"enabled"`
	ExcludeInboundPorts  []int          `json:"excludeInboundPorts,omitempty"`
	ExcludeOutboundPorts []int          `json:"excludeOutboundPorts,omitempty"`
	ExcludeOutboundCIDRs []string       `json:"excludeOutboundCIDRs,omitempty"`
	ExcludeUIDs          []string       `json:"excludeUIDs,omitempty"`
	ConsulDNS            map[string]any `json:"consulDNS,omitempty"`
}

// consulLogin is consul-ecs's form of Login.
type consulLogin struct {
	Enabled             bool              `json:"enabled,omitempty"`
	Method              string            `json:"method,omitempty"`
	IncludeEntity       bool              `json:"includeEntity,omitempty"`
	Meta                map[string]string `json:"meta,omitempty"`
	Datacenter          string            `json:"datacenter,omitempty"`
	Region              string            `json:"region,omitempty"`
	STSEndpoint         string            `json:"stsEndpoint,omitempty"`
	ServerIDHeaderValue string            `json:"serverIdHeaderValue,omitempty"`
	ExtraLoginFlags     []string          `json:"extraLoginFlags,omitempty"`
}

// convert moves consul-ecs's keys to their place.
func (d *document) convert(r *report) {
	if r.given["logLevel"] {
		if r.given["log.level"] {
			r.error("logLevel", "set log.level or logLevel, not both")
		}
		d.Log.Level = d.LogLevel
		r.given["log.level"], r.alias["log.level"] = true, "logLevel"
	}
	d.transparent(r)
	if !d.ConsulLogin.Enabled {
		return
	}
	if r.given["acl.login"] {
		r.error("consulLogin", "set acl.login or consulLogin, not both")
		return
	}
	old := d.ConsulLogin
	d.ACL.Login = &Login{
		Method: old.Method, Datacenter: old.Datacenter, Meta: old.Meta, IncludeEntity: old.IncludeEntity, Server: d.ConsulHTTPAddr,
		Region: old.Region, STSEndpoint: old.STSEndpoint, ServerIDHeaderValue: old.ServerIDHeaderValue,
	}
	if d.ConsulCACertFile != "" {
		d.ACL.Login.CACert = secret.Ref{Kind: secret.File, Path: d.ConsulCACertFile}
		r.alias["acl.login.caCert"] = "consulCACertFile"
	}
	r.given["acl.login"] = true
	r.given["acl.login.includeEntity"] = r.given["consulLogin.includeEntity"]
	r.alias["acl.login"] = "consulLogin"
	r.alias["acl.login.server"] = "consulHTTPAddr"
	for _, name := range []string{"region", "stsEndpoint", "serverIdHeaderValue", "meta"} {
		r.alias["acl.login."+name] = "consulLogin." + name
	}
	d.flags(old.ExtraLoginFlags, r)
}

// What the script of consul-ecs's consul-client container did beside its
// document: it logged in for the agent, and wrote the CAs of the login.
const (
	clientMethod = "iam-ecs-client-token"
	clientCA     = "/consul/consul-ca-cert.pem"       // from CONSUL_CACERT or CONSUL_CACERT_PEM
	clientCAHTTP = "/consul/consul-https-ca-cert.pem" // from CONSUL_HTTPS_CACERT_PEM
)

// asConsulClient completes a login by consulLogin with what came from there.
func (c *Config) asConsulClient(from func(path string, to *secret.Ref, variable string)) {
	l := c.ACL.Login
	if c.ACL.AgentToken.IsZero() && c.ConsulAgent.External == "" && c.ConsulServers == nil {
		l.AgentMethod = clientMethod
	}
	if l.CACert.Kind != secret.File {
		return
	}
	made := secret.Ref{}
	switch l.CACert.Path {
	case clientCA:
		made = c.ConsulAgent.CACert
	case clientCAHTTP:
		from("acl.login.caCert", &made, "CONSUL_HTTPS_CACERT_PEM")
	}
	if !made.IsZero() {
		l.CACert = made
	}
}

// flags takes the flags of "consul login" that consul-ecs v0.5 let users add:
// those that Consul 1.12 to 1.22 has, by what becomes of them.
func (d *document) flags(list []string, r *report) {
	l := d.ACL.Login
	into := map[string]*string{
		"aws-region": &l.Region, "aws-sts-endpoint": &l.STSEndpoint, "aws-server-id-header-value": &l.ServerIDHeaderValue,
		"partition": &l.Partition, "datacenter": &l.Datacenter, "method": &l.Method, "http-addr": &l.Server, "tls-server-name": &d.ConsulAgent.TLSServerName,
	}
	switches := []string{"aws-include-entity", "aws-auto-bearer-token", "stale"}
	for i := 0; i < len(list); i++ {
		at := index("consulLogin.extraLoginFlags", i)
		name, value, ok := strings.Cut(strings.TrimLeft(list[i], "-"), "=")
		switch {
		case !strings.HasPrefix(list[i], "-"):
			r.error(at, "must be a flag of consul login, got %q", list[i])
			continue
		case ok || slices.Contains(switches, name):
		case i+1 == len(list):
			r.error(at, "login flag -%s needs a value", name)
			continue
		default:
			i++
			value = list[i]
		}
		p := into[name]
		switch {
		case p != nil:
			*p = value
			r.given["consulAgent.tlsServerName"] = r.given["consulAgent.tlsServerName"] || name == "tls-server-name"
		case name == "aws-include-entity":
			l.IncludeEntity = value != "false"
			r.given["acl.login.includeEntity"] = true
		case name == "ca-file":
			l.CACert = secret.Ref{Kind: secret.File, Path: value}
		case name == "meta":
			l.meta(value)
		case name == "namespace" && value == "default", name == "type" && value == "aws-iam", slices.Contains(switches, name):
			// as meshtask does anyway
		default:
			r.error(at, "login flag -%s is not supported: use acl.login instead of consulLogin", name)
		}
	}
}

// meta adds one KEY=VALUE.
func (l *Login) meta(pair string) {
	if l.Meta == nil {
		l.Meta = map[string]string{}
	}
	k, v, _ := strings.Cut(pair, "=")
	l.Meta[k] = v
}

// transparent says what becomes of transparent proxying.
func (d *document) transparent(r *report) {
	const instead = "name what the app calls in proxy.upstreams, and have it call their localBindPort"
	switch given := r.given["transparentProxy.enabled"]; {
	case given && d.TransparentProxy.Enabled && d.Gateway == nil:
		r.error("transparentProxy.enabled", "transparent proxying is not supported: set it to false; %s", instead)
	case !given && d.ConsulECS && d.ConsulServers != nil && d.Gateway == nil: // it is off for gateways, whatever is said
		r.warn("transparentProxy", "absent, which consul-ecs takes for true; meshtask has no transparent proxying: %s", instead)
	}
}
