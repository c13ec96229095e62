package config

import (
	"slices"
	"strconv"
)

func (v checker) proxy() {
	p := &v.c.Proxy
	v.port("proxy.publicListenerPort", p.PublicListenerPort)
	v.ip("proxy.publicListenerAddress", p.PublicListenerAddress)
	v.ip("proxy.localServiceAddress", p.LocalServiceAddress)
	v.gateway("proxy.meshGateway", p.MeshGateway)
	if s, ok := p.Config["bind_address"].(string); ok && s != "" {
		if p.PublicListenerAddress == "" {
			p.PublicListenerAddress = s
			v.ip("proxy.config.bind_address", s)
		} else if s != p.PublicListenerAddress {
			v.wrong("proxy.config.bind_address", "is %q, but proxy.publicListenerAddress is %q: give the latter alone", s, p.PublicListenerAddress)
		}
	}
	if n, ok := p.Config["bind_port"].(float64); ok && int(n) != p.PublicListenerPort {
		v.wrong("proxy.config.bind_port", "is %s, but proxy.publicListenerPort is %d: give the latter alone", strconv.FormatFloat(n, 'f', -1, 64), p.PublicListenerPort)
	}
}

func (v checker) gateway(path string, g *MeshGateway) {
	switch {
	case g == nil:
	case g.Mode == "":
		v.wrong(path+".mode", "required: none, local or remote")
	default:
		v.word(path+".mode", g.Mode, "none", "local", "remote")
	}
}

func (v checker) upstreams() {
	for i, u := range v.c.Proxy.Upstreams {
		at := index("proxy.upstreams", i)
		if u.DestinationName == "" {
			v.wrong(at+".destinationName", "required")
		}
		if v.given[at+".localBindPort"] {
			v.port(at+".localBindPort", u.LocalBindPort)
		} else {
			v.wrong(at+".localBindPort", "required: the port on which the app finds %s", strconv.Quote(u.DestinationName))
		}
		v.word(at+".destinationType", u.DestinationType, "service", "prepared_query")
		v.ip(at+".localBindAddress", u.LocalBindAddress)
		v.gateway(at+".meshGateway", u.MeshGateway)
	}
}

func (v checker) expose() {
	if v.c.Proxy.Expose == nil {
		return
	}
	for i, p := range v.c.Proxy.Expose.Paths {
		at := index("proxy.expose.paths", i)
		v.port(at+".listenerPort", p.ListenerPort)
		v.port(at+".localPathPort", p.LocalPathPort)
		if len(p.Path) == 0 || p.Path[0] != '/' {
			v.wrong(at+".path", "must begin with /, got %q", p.Path)
		}
		v.word(at+".protocol", p.Protocol, "http", "http2")
	}
}

func (v checker) task() {
	t := v.c.Task
	v.match("task.id", t.ID, func(s string) bool { return made(s, "_-", 64) }, "1–64 letters, digits, '_' and '-'")
	v.match("task.family", t.Family, container, containerForm)
	v.ip("task.address", t.Address)
}

func (v checker) envoy() {
	e := v.c.Envoy
	v.filled("envoy.command", e.Command)
	v.word("envoy.bootstrap", e.Bootstrap, "builtin", "consul")
	v.word("envoy.logLevel", e.LogLevel, "trace", "debug", "info", "warning", "error", "critical", "off")
	if v.given["envoy.concurrency"] {
		v.between("envoy.concurrency", e.Concurrency, 1, 1024, "")
	}
	v.argv("envoy.extraArgs", e.ExtraArgs)
	for i, a := range e.ExtraArgs {
		if slices.Contains([]string{"-c", "--config-path", "--config-yaml", "--mode"}, a) {
			v.wrong(index("envoy.extraArgs", i), "%s is meshtask's own", a)
		}
	}
	if e.Admin != "" {
		v.hostPort("envoy.admin", e.Admin)
	}
	v.positive("envoy.readyTimeout", e.ReadyTimeout)
	v.restart("envoy.restart", e.Restart)
}
