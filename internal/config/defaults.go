package config

import (
	"cmp"
	"strings"
	"time"
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
			Command: "envoy", Bootstrap: "builtin", StatsTags: StatsTags{Mode: AutoTags}, LogLevel: "warning",
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

// consulECSDNS is where consul-ecs's agent answered DNS, and apps of its time may ask.
const consulECSDNS = 8600

// fill sets the defaults that depend on what was given, and on the mode.
func (c *Config) fill(r *report, env func(string) string) {
	c.fillGateway(r)
	if c.ConsulECS && c.Service.Port == 0 {
		delete(r.given, "service.port") // consul-ecs's Terraform writes 0 for outbound_only
	}
	if c.ConsulECS && !r.given["consulAgent.ports.dns"] && c.ConsulAgent.External == "" && c.ConsulServers == nil {
		c.ConsulAgent.Ports.DNS = consulECSDNS
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
	if e := c.Log.EMF; e != nil {
		e.Namespace = cmp.Or(e.Namespace, "meshtask")
		if !e.Interval.Given {
			e.Interval = after(time.Minute)
		}
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
	c.fillServers(r, env)
	if c.Mode.Mesh() {
		c.fillSecrets(r, env)
	}
}
