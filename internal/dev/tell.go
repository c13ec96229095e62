package dev

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"

	"meshtask/internal/task"
)

// Tell logs where everything is, and what was passed over for it.
func (s *Setup) Tell(t task.Tools) {
	log, p := t.Log.Named("dev"), t.Plan
	for _, why := range s.passed {
		log.Warn(why)
	}
	say := func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) }
	say("service %s at %s, state and configuration in %s", p.Service.Name, s.Task.Address, s.Dir)
	if s.Task.Server != "" {
		say("%s", s.server(t))
	}
	if p.Admin != "" {
		say("page http://%s/", p.Admin)
	}
	host, port, _ := net.SplitHostPort(p.Envoy.Listen) // the plan made it
	say("public listener %s", net.JoinHostPort(cmp.Or(host, s.Task.Address), port))
	for _, u := range p.Service.Proxy.Upstreams {
		say("upstream %s at http://%s", u.DestinationName, net.JoinHostPort(cmp.Or(u.LocalBindAddress, s.Task.Address), strconv.Itoa(u.LocalBindPort)))
	}
}

// server says which Consul server there is, and what it is to the task.
func (s *Setup) server(t task.Tools) string {
	p := t.Plan
	how, ui := "joins the Consul server", ", UI http://"+net.JoinHostPort(s.Task.Server, "8500")+"/ui"
	if p.Servers != nil {
		how = "asks the Consul server"
		if p.Servers.HTTP.TLS || strings.HasPrefix(s.Task.Server, "exec=") {
			ui = ""
		}
	}
	if s.StartsServer {
		how = "starts a Consul server"
	}
	if p.Servers != nil {
		how = "no agent: " + how
	}
	return how + " at " + s.Task.Server + ui
}
