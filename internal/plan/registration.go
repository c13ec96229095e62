package plan

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/consulservers"
	"meshtask/envoy"
	"meshtask/health"
	"meshtask/internal/config"
	"meshtask/internal/registration"
	"meshtask/lifecycle"
)

// Rows is the table that this configuration runs.
func Rows(c *config.Config) lifecycle.Timeline {
	rows := lifecycle.Documented()
	switch {
	case c.Mode.Mesh() && c.ConsulServers != nil:
		rows = lifecycle.Agentless()
	case c.Shutdown.AgentLeave == "first":
		rows = lifecycle.AgentFirst()
	}
	switch {
	case c.Mode == config.Sibling:
		return rows.Without(lifecycle.Token, lifecycle.ConsulAgent, lifecycle.MeshInit, lifecycle.HealthSync)
	case !c.Mode.Mesh():
		return rows.Without(lifecycle.Token, lifecycle.ConsulAgent, lifecycle.MeshInit, lifecycle.Envoy, lifecycle.HealthSync, lifecycle.Inbound)
	}
	if c.IsGateway() {
		rows = rows.Gateway()
	}
	if len(c.References()) == 0 && c.ACL.Login == nil {
		rows = rows.Without(lifecycle.Token)
	}
	return rows
}

// Stop splits the stop budget over rows. The error names the field and the
// numbers.
func Stop(c *config.Config, rows lifecycle.Timeline) (lifecycle.StopPlan, error) {
	s := c.Shutdown
	set := lifecycle.StopSettings{StopTimeout: s.StopTimeout.Duration, Drain: s.Drain.Enabled,
		Propagation: s.Drain.PropagationWait.Duration, PropagationGiven: s.Drain.PropagationWait.Given, DrainMin: s.Drain.Min.Duration}
	if s.Drain.Max.Given {
		set.DrainMax = &s.Drain.Max.Duration
	}
	if c.App.StopTimeout.Given {
		set.AppTimeout = &c.App.StopTimeout.Duration
	}
	p, err := lifecycle.PlanStop(rows, set)
	if err != nil {
		return p, fmt.Errorf("shutdown.stopTimeout: %w", err)
	}
	return p, nil
}

// registrationOf is service and sidecar, or the gateway.
func registrationOf(c *config.Config) registration.Registration {
	if c.IsGateway() {
		return gatewayRegistration(c)
	}
	s, p := c.Service, c.Proxy
	r := registration.Registration{
		TaskID: c.Task.ID, TaskARN: c.Task.ARN, Name: s.Name, Port: s.Port, Tags: s.Tags, Meta: s.Meta,
		EnableTagOverride: s.EnableTagOverride, Namespace: s.Namespace, Partition: s.Partition,
		TTL: c.Health.TTL.Duration, Zone: c.Task.Zone, Revision: c.Task.Revision, LaunchType: c.Task.LaunchType,
		Proxy: registration.Proxy{Port: p.PublicListenerPort, ListenerAddress: p.PublicListenerAddress,
			LocalServiceAddress: p.LocalServiceAddress, Config: p.Config},
	}
	if s.Weights != nil {
		r.Weights = &api.AgentWeights{Passing: s.Weights.Passing, Warning: s.Weights.Warning}
	}
	for _, check := range s.Checks {
		r.Checks = append(r.Checks, native(check))
	}
	if len(r.Checks) == 0 {
		r.Containers = containers(c)
	}
	if c.ConsulAgent.External != "" || c.ConsulServers != nil {
		r.Address = c.Task.Address
	}
	for _, u := range p.Upstreams {
		r.Proxy.Upstreams = append(r.Proxy.Upstreams, upstream(u))
	}
	if p.MeshGateway != nil {
		r.Proxy.MeshGateway = api.MeshGatewayConfig{Mode: api.MeshGatewayMode(p.MeshGateway.Mode)}
	}
	if p.Expose != nil {
		r.Proxy.Expose = expose(*p.Expose)
	}
	return r
}

// containers are those that have a TTL check: the synced siblings, and our own
// app's when we run one, or when there would be none at all.
func containers(c *config.Config) []string {
	list := slices.Clone(c.HealthSyncContainers)
	own := c.Health.Container
	if (len(c.App.Command) > 0 || len(list) == 0) && !slices.Contains(list, own) {
		list = append(list, own)
	}
	return list
}

// ttlChecks are the TTL checks that health-sync writes; none with native checks.
func ttlChecks(c *config.Config, list []consulservers.Synced) []health.Check {
	var out []health.Check
	for _, s := range list {
		origin := health.FromApp
		switch {
		case slices.Contains(c.HealthSyncContainers, s.Container):
			origin = health.FromSibling
		case c.Health.App != nil:
			origin = health.FromProbe
		}
		out = append(out, health.Check{ID: s.ID, Container: s.Container, Origin: origin})
	}
	return out
}

// synced are the checks that health-sync sets. ownSynced: a consul-ecs document lists our own
// container.
func synced(c *config.Config, r registration.Registration, s *Servers, ownSynced bool) []consulservers.Synced {
	switch {
	case s == nil && r.Gateway != nil: // its agent dials it
		return nil
	case s == nil:
		return consulservers.SyncedChecks(r, consulservers.Ours, nil, "")
	}
	list, own := slices.Clone(c.HealthSyncContainers), c.Health.Container
	if ownSynced {
		list = append(list, own)
	}
	if len(c.App.Command) == 0 && len(list) > 0 { // the apps have checks of their own
		own = ""
	}
	return consulservers.SyncedChecks(r, s.Names, list, own)
}

// agentHTTP is the address of the agent's HTTP API.
func agentHTTP(c *config.Config) string {
	if c.ConsulAgent.External != "" {
		return c.ConsulAgent.External
	}
	return net.JoinHostPort(dialable(c.ConsulAgent.ClientAddr), strconv.Itoa(c.ConsulAgent.Ports.HTTP))
}

// agentGRPC is the address at which Envoy finds the agent's xDS.
func agentGRPC(c *config.Config) string {
	host := dialable(c.ConsulAgent.ClientAddr)
	if ext := c.ConsulAgent.External; ext != "" {
		host, _, _ = net.SplitHostPort(ext) // validated with the configuration
	}
	return net.JoinHostPort(host, strconv.Itoa(c.ConsulAgent.Ports.GRPC))
}

// dialable is an address that a client can use for one that a server binds.
func dialable(addr string) string {
	if ip := net.ParseIP(addr); ip == nil || ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return addr
}

// listen is where Envoy binds the public listener, or a gateway's; "": Consul alone knows.
func listen(c *config.Config) string {
	if c.IsGateway() {
		return gatewayListen(c)
	}
	return net.JoinHostPort(c.Proxy.PublicListenerAddress, strconv.Itoa(c.Proxy.PublicListenerPort))
}

// others are the listeners that Envoy binds beside the public one, each with its field.
func others(c *config.Config) []envoy.Bind {
	var list []envoy.Bind
	for i, u := range c.Proxy.Upstreams {
		host := cmp.Or(u.LocalBindAddress, "127.0.0.1") // Consul's own default
		list = append(list, envoy.Bind{What: "upstream " + u.DestinationName, Field: fmt.Sprintf("proxy.upstreams[%d].localBindPort", i),
			Address: net.JoinHostPort(host, strconv.Itoa(u.LocalBindPort))})
	}
	if e := c.Proxy.Expose; e != nil {
		for i, p := range e.Paths {
			list = append(list, envoy.Bind{What: "exposed path " + p.Path, Field: fmt.Sprintf("proxy.expose.paths[%d].listenerPort", i),
				Address: net.JoinHostPort(c.Proxy.PublicListenerAddress, strconv.Itoa(p.ListenerPort))})
		}
	}
	return list
}

// drainFlag keeps Envoy from closing its listeners during any stop of ours.
const drainFlag = 10 * time.Minute

// envoyDrain is the value of --drain-time-s: the longest drain that can be.
func envoyDrain(p lifecycle.StopPlan) time.Duration { return max(p.DrainMax, drainFlag) }

func native(c config.Check) *api.AgentServiceCheck {
	return &api.AgentServiceCheck{
		CheckID: c.CheckID, Name: c.Name, Args: c.Args, Interval: text(c.Interval), Timeout: text(c.Timeout), TTL: text(c.TTL),
		HTTP: c.HTTP, Header: c.Header, Method: c.Method, Body: c.Body, TCP: c.TCP, UDP: c.UDP, Status: c.Status, Notes: c.Notes,
		TLSServerName: c.TLSServerName, TLSSkipVerify: c.TLSSkipVerify, GRPC: c.GRPC, GRPCUseTLS: c.GRPCUseTLS,
		H2PING: c.H2Ping, H2PingUseTLS: c.H2PingUseTLS, AliasNode: c.AliasNode, AliasService: c.AliasService,
		SuccessBeforePassing: c.SuccessBeforePassing, FailuresBeforeCritical: c.FailuresBeforeCritical,
	}
}

func text(d config.Duration) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

func upstream(u config.Upstream) api.Upstream {
	out := api.Upstream{
		DestinationType: api.UpstreamDestType(u.DestinationType), DestinationName: u.DestinationName,
		DestinationNamespace: u.DestinationNamespace, DestinationPartition: u.DestinationPartition, DestinationPeer: u.DestinationPeer, Datacenter: u.Datacenter,
		LocalBindAddress: u.LocalBindAddress, LocalBindPort: u.LocalBindPort, Config: u.Config,
	}
	if u.MeshGateway != nil {
		out.MeshGateway.Mode = api.MeshGatewayMode(u.MeshGateway.Mode)
	}
	return out
}

func expose(e config.Expose) api.ExposeConfig {
	out := api.ExposeConfig{Checks: e.Checks}
	for _, p := range e.Paths {
		out.Paths = append(out.Paths, api.ExposePath{ListenerPort: p.ListenerPort, Path: p.Path, LocalPathPort: p.LocalPathPort, Protocol: p.Protocol})
	}
	return out
}
