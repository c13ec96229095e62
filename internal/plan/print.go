package plan

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/consulagent"
	"meshtask/internal/config"
	"meshtask/internal/registration"
	"meshtask/lifecycle"
)

// String says when the app counts as up.
func (r Ready) String() string {
	switch {
	case r.Question != Question{}:
		return r.Question.String()
	case len(r.Exec) > 0:
		return "exec " + strings.Join(r.Exec, " ")
	case r.FD > 0:
		return fmt.Sprintf("newline on descriptor %d", r.FD)
	}
	return "started"
}

// stopOn are the names of StopOn.
func (p *Plan) stopOn() (out []string) {
	for _, s := range p.StopOn {
		out = append(out, config.Signal(s).String())
	}
	return out
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// Text is the plan for a person to read.
func (p *Plan) Text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	if p.Kind.HasMesh() {
		r := p.Service
		if p.IsGateway() {
			line("gateway", "%s (%s), %s %s", r.ServiceID(), r.Name, r.Gateway.Kind, p.listens())
		} else {
			line("service", "%s (%s), sidecar %s on %s", r.ServiceID(), r.Name, r.ProxyID(), p.Envoy.Listen)
		}
		for _, u := range r.Proxy.Upstreams {
			line("upstream", "%s at %s", u.DestinationName, net.JoinHostPort(cmp.Or(u.LocalBindAddress, "127.0.0.1"), strconv.Itoa(u.LocalBindPort)))
		}
		switch {
		case p.Servers != nil:
			line("servers", "%s: HTTP %d, xDS %d, node %s", strings.Join(p.Servers.Hosts, ", "), p.Servers.HTTP.Port, p.Servers.GRPC.Port, p.Servers.Node.Name)
		case p.Agent.External == "":
			line("agent", "%s, xDS %s", p.Agent.HTTP, p.Agent.GRPC)
			line("", "joins %s", strings.Join(p.Agent.Settings.RetryJoin, ", "))
			line("", "%s", strings.Join(consulagent.Argv(p.Consul, inDir(AgentDocument)), " "))
		default:
			line("agent", "%s, xDS %s", p.Agent.HTTP, p.Agent.GRPC)
		}
		line("envoy", "%s", strings.Join(p.Envoy.Config(p.Envoy.Command, inDir).Argv(), " "))
		for _, check := range p.checks() {
			line("check", "%s, by %s", check.ID, check.From)
		}
		if p.IsGateway() && p.Servers == nil {
			line("check", "%s, by the agent, once Envoy listens", r.ListenerID())
		}
	}
	if p.App != nil {
		line("app", "%s", strings.Join(p.App.Argv, " "))
		line("", "restart: %s", p.App.Restart)
	}
	if p.App != nil || p.Kind == Mesh && !p.IsGateway() {
		line("ready", "%s", p.Ready)
	}
	if on := p.stopOn(); len(on) > 0 {
		line("stop on", "%s, besides TERM, INT and QUIT", strings.Join(on, ", "))
	}
	for _, s := range p.Secrets {
		line("secret", "%s: %s", s.Path, s.Ref)
	}
	line("budget", "%s", p.Stop)
	if p.App != nil {
		line("", "%s", p.share())
	}
	b.WriteString("\n" + p.Rows.Text())
	return b.String()
}

// listens is where a gateway is, in words.
func (p *Plan) listens() string {
	text := "on " + p.Envoy.Listen
	switch g := p.Service.Gateway; {
	case g.Kind == api.ServiceKindAPIGateway:
		return "on the ports of its config entry"
	case p.Envoy.Listen == "":
		text = "where proxy.config binds it"
		fallthrough
	case g.LAN != nil || g.WAN != nil:
		for _, a := range []struct {
			name string
			at   *registration.Address
		}{{"LAN", g.LAN}, {"WAN", g.WAN}} {
			if a.at != nil {
				text += fmt.Sprintf(", %s %s", a.name, net.JoinHostPort(a.at.Address, strconv.Itoa(a.at.Port)))
			}
		}
	}
	return text
}

// share is what of the stop the app gets, in a sentence.
func (p *Plan) share() string {
	text := fmt.Sprintf("your app has %s between %s and KILL", seconds(p.Stop.Share(lifecycle.App)), p.App.document().StopSignal)
	if p.App.StopSignal == 0 {
		text = fmt.Sprintf("your app has %s between TERM and KILL", seconds(p.Stop.Share(lifecycle.App)))
	}
	if p.Kind.HasMesh() {
		text += ", and what the steps before it leave over"
	}
	return text
}

// seconds is a time as people say it, such as 9.9 s.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
}

// String says when the program is started again.
func (r Restart) String() string {
	if r.Policy == "never" {
		return r.Policy
	}
	return fmt.Sprintf("%s, at most %d times in %v", r.Policy, r.Max, r.Window)
}
