package config

import (
	"strings"
	"time"

	"meshtask/internal/secret"
)

// after is a default duration.
func after(d time.Duration) Duration { return Duration{Duration: d} }

// preset are the defaults that depend on nothing.
func preset() *Config {
	restart := Restart{Max: 5, Window: after(time.Minute), Backoff: after(100 * time.Millisecond), MaxBackoff: after(5 * time.Second)}
	return &Config{
		Proxy: Proxy{PublicListenerPort: 20000},
		ConsulAgent: ConsulAgent{
			Command:     "consul",
			Ports:       Ports{HTTP: 8500, GRPC: 8502, SerfLAN: 8301, DNS: -1},
			LogLevel:    "warn",
			JoinTimeout: after(2 * time.Minute),
			Restart:     restart,
		},
		Envoy: Envoy{
			Command: "envoy", Bootstrap: "builtin", StatsTags: true, LogLevel: "warning",
			ReadyTimeout: after(time.Minute), Restart: restart,
		},
		App: App{
			Signal:  "group",
			Ready:   Ready{Timeout: after(5 * time.Minute)},
			Restart: AppRestart{Policy: "never", Restart: restart},
		},
		Health: Health{TTL: after(30 * time.Second), Interval: after(time.Second)},
		Shutdown: Shutdown{
			StopTimeout: after(30 * time.Second), AgentLeave: "last",
			Drain: Drain{Enabled: true, PropagationWait: after(time.Second)},
		},
		ACL: ACL{Wait: after(2 * time.Minute), Refresh: after(5 * time.Minute)},
		Log: Log{Level: "info", Format: "text", App: "raw", Prefix: true},
	}
}

// fill sets the defaults that depend on what was given, and on the mode.
func (c *Config) fill(r *report, env func(string) string) {
	if c.ConsulECS && c.Service.Port == 0 {
		delete(r.given, "service.port") // consul-ecs's Terraform writes 0 for outbound_only
	}
	if c.Mode == NoMesh && !r.given["log.level"] {
		c.Log.Level = "warn"
	}
	for _, s := range []*string{&c.Log.Level, &c.ConsulAgent.LogLevel, &c.Envoy.LogLevel} {
		*s = strings.ToLower(*s)
	}
	if d := &c.Shutdown.Drain; c.Mode == Job && c.Service.Port == 0 && !r.given["shutdown.drain"] && !r.given["shutdown.drain.enabled"] {
		d.Enabled = false // nobody is ever sent to it
	}
	for i := range c.Proxy.Upstreams {
		if u := &c.Proxy.Upstreams[i]; u.DestinationType == "" {
			u.DestinationType = "service"
		}
	}
	if c.Proxy.Expose != nil {
		for i := range c.Proxy.Expose.Paths {
			if p := &c.Proxy.Expose.Paths[i]; p.Protocol == "" {
				p.Protocol = "http"
			}
		}
	}
	if h := c.Health.App; h != nil {
		for _, f := range []struct {
			name string
			to   *int
			def  int
		}{{"interval", &h.Interval, 30}, {"timeout", &h.Timeout, 5}, {"retries", &h.Retries, 3}} {
			if !r.given["health.app."+f.name] {
				*f.to = f.def
			}
		}
	}
	if c.Mode.Mesh() {
		c.fillSecrets(r, env)
	}
}

// fillSecrets turns the variables of CONTRACT §2 into references where the
// field is absent, and decides what follows from there being one.
func (c *Config) fillSecrets(r *report, env func(string) string) {
	from := func(path string, to *secret.Ref, name string) {
		if !r.given[path] && to.IsZero() && env(name) != "" {
			*to, r.alias[path] = secret.Ref{Kind: secret.Env, Name: name}, name
		}
	}
	if c.ConsulAgent.External == "" {
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
	c.fillACL(r, from)
}

func (c *Config) fillACL(r *report, from func(string, *secret.Ref, string)) {
	a := &c.ACL
	if r.given["acl.enabled"] && !a.Enabled {
		if !a.ServiceToken.IsZero() || !a.AgentToken.IsZero() || a.Login != nil {
			r.odd("acl.enabled", "false: the tokens and the login given under acl are not used")
		}
		a.ServiceToken, a.AgentToken, a.Login = secret.Ref{}, secret.Ref{}, nil
		return
	}
	if a.Login == nil {
		from("acl.serviceToken", &a.ServiceToken, "CONSUL_HTTP_TOKEN")
	}
	from("acl.agentToken", &a.AgentToken, "AGENT_TOKEN")
	if l := a.Login; l != nil {
		if l.Method == "" {
			l.Method = "iam-ecs-service-token"
		}
		if l.CACert.IsZero() {
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
		r.odd("acl.enabled", "true, but there is no token and no login: give acl.serviceToken, CONSUL_HTTP_TOKEN or acl.login")
	}
}

// isPEM says whether a value is a certificate itself, not a path to one.
func isPEM(v string) bool { return strings.HasPrefix(strings.TrimSpace(v), "-----BEGIN") }
