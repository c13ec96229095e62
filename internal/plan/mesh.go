package plan

import (
	"net"
	"time"

	"meshtask/consulagent"
	"meshtask/consulservers"
	"meshtask/envoy"
	"meshtask/envoy/bootstrap"
	"meshtask/health"
	"meshtask/internal/config"
	"meshtask/internal/registration"
	"meshtask/internal/secret"
	"meshtask/lifecycle"
)

// SyncedChecks are the checks of Health as the servers are told of them.
func (h *Health) SyncedChecks() (list []consulservers.Synced) {
	for _, c := range h.Checks {
		list = append(list, consulservers.Synced{ID: c.ID, Container: c.Container})
	}
	return list
}

// Agent is the client agent: ours, or one that someone else runs.
type Agent struct {
	External    string                  // HOST:HTTPPORT of someone else's; "": ours
	HTTP        string                  // where its API is
	GRPC        string                  // where its xDS is
	Settings    consulagent.AgentConfig // without secrets and paths; Config adds them
	GossipKey   secret.Ref
	CACert      secret.Ref
	JoinTimeout time.Duration
	Restart     Restart
	Metrics     bool // it keeps metrics in Prometheus' format, which a scrape of ours may ask for
}

// Config is the agent's configuration: its settings with the secrets that resolve tells and
// the paths that file makes of names in the state directory. The agent's token is separate,
// since it may be that of a login.
func (a *Agent) Config(resolve func(secret.Ref) string, token string, file func(name string) string) consulagent.AgentConfig {
	c := a.Settings
	c.DataDir, c.GossipKey, c.AgentToken = file(AgentData), resolve(a.GossipKey), token
	if !a.CACert.IsZero() {
		c.CAFile, c.CACert = file(AgentCA), resolve(a.CACert)
	}
	return c
}

func agent(c *config.Config) *Agent {
	a := c.ConsulAgent
	p := a.Ports
	out := &Agent{
		External: a.External, HTTP: agentHTTP(c), GRPC: agentGRPC(c), GossipKey: a.GossipKey, CACert: a.CACert,
		JoinTimeout: a.JoinTimeout.Duration, Restart: restart("always", a.Restart),
		Settings: consulagent.AgentConfig{
			NodeName: a.NodeName, Datacenter: a.Datacenter, Partition: a.Partition, BindAddress: a.BindAddress, ClientAddress: a.ClientAddr,
			RetryJoin: a.RetryJoin, LogLevel: a.LogLevel, ACLs: c.ACL.Enabled, Extra: a.ExtraConfig,
			Ports: consulagent.Ports{HTTP: p.HTTP, HTTPS: p.HTTPS, GRPC: p.GRPC, GRPCTLS: p.GRPCTLS, SerfLAN: p.SerfLAN,
				SerfWAN: p.SerfWAN, Server: p.Server, DNS: p.DNS},
			AutoEncrypt: a.AutoEncrypt && !a.CACert.IsZero(), VerifyServerHostname: a.VerifyServerHostname && !a.CACert.IsZero(),
		},
	}
	if a.External == "" { // that of somebody else has metrics of a whole host
		out.Settings.Prometheus = c.Admin.Metrics != ""
		telemetry, _ := a.ExtraConfig["telemetry"].(map[string]any)
		out.Metrics = out.Settings.Prometheus || telemetry["prometheus_retention_time"] != nil
	}
	if ip := net.ParseIP(a.BindAddress); ip != nil && ip.IsUnspecified() {
		out.Settings.AdvertiseAddress = c.Task.Address
	}
	return out
}

// Envoy is the process of the sidecar, or of the gateway.
type Envoy struct {
	Command       string       // a name to look up on PATH, or a path
	Role          envoy.Role   // what it is for
	Listen        string       // the public listener; "": a gateway's, which Consul alone knows
	Others        []envoy.Bind // the listeners of upstreams and exposed paths
	Admin         string       // HOST:PORT; "": the unix socket in the state directory
	ConsulMakes   bool         // the bootstrap, by its command
	StatsTags     bootstrap.StatsTags
	LogLevel      string
	Concurrency   int // worker threads; 0: from the CPU quota
	ExtraArgs     []string
	DrainTime     time.Duration // longer than any stop, so that Envoy closes no listener by itself
	ReadyTimeout  time.Duration
	StrictVersion bool
	Restart       Restart
}

// Config is what envoy.NewProxy needs of the plan: path is the executable, and file makes a
// path of a name in the state directory. The bootstrap file is the default one's.
func (e *Envoy) Config(path string, file func(name string) string) envoy.Config {
	return envoy.Config{Path: path, Bootstrap: file(BootstrapFile), Admin: e.AdminAddress(file), Role: e.Role, Listen: e.Listen, Others: e.Others, Concurrency: e.Concurrency,
		LogLevel: e.LogLevel, Drain: e.DrainTime, ExtraArgs: e.ExtraArgs, ReadyTimeout: e.ReadyTimeout, StrictVersion: e.StrictVersion}
}

// AdminAddress is HOST:PORT, or the path of the unix socket.
func (e *Envoy) AdminAddress(file func(name string) string) string {
	if e.Admin != "" {
		return e.Admin
	}
	return file(EnvoySocket)
}

func envoyOf(c *config.Config, stop lifecycle.StopPlan) *Envoy {
	e := c.Envoy
	return &Envoy{Command: e.Command, Role: roleOf(c), Listen: listen(c), Others: others(c), Admin: e.Admin, ConsulMakes: e.Bootstrap == "consul", StatsTags: statsTags(e.StatsTags),
		LogLevel: e.LogLevel, Concurrency: e.Concurrency, ExtraArgs: e.ExtraArgs, DrainTime: envoyDrain(stop),
		ReadyTimeout: e.ReadyTimeout.Duration, StrictVersion: e.StrictVersion, Restart: restart("always", e.Restart)}
}

func statsTags(t config.StatsTags) bootstrap.StatsTags {
	switch t.Mode {
	case config.AllTags:
		return bootstrap.AllStatsTags()
	case config.NoTags:
		return bootstrap.StatsTags{}
	case config.ListedTags:
		return bootstrap.StatsTags{Names: t.Names}
	}
	return bootstrap.StatsTags{Auto: true}
}

// Health is what health-sync writes, and from where it knows.
type Health struct {
	Checks   []health.Check
	TTL      time.Duration
	Never    bool     // critical for life: a job without a port
	Alone    bool     // there is no app, they follow Envoy: a gateway
	Proof    []string // checks of which an agent has one while it has the registration; nil: others tell
	Catalog  bool     // the stop takes the instance out of the servers' catalog
	Siblings []string // containers whose ECS health is synced
	Interval time.Duration
	Probe    *Probe // of the app; nil: it is healthy while it runs and is ready
}

// Probe is a health check of the app that we run.
type Probe struct {
	Container   string   // whose check it sets
	Command     []string // as ECS has it; else Question
	Question    Question
	Interval    time.Duration
	Timeout     time.Duration
	Retries     int
	StartPeriod time.Duration
}

func healthOf(c *config.Config, reg registration.Registration, s *Servers, ownSynced bool) *Health {
	h := &Health{Checks: ttlChecks(c, synced(c, reg, s, ownSynced)), TTL: c.Health.TTL.Duration, Never: c.Mode == config.Job && c.Service.Port == 0, Catalog: c.Shutdown.AgentLeave != "first",
		Siblings: c.HealthSyncContainers, Interval: c.Health.Interval.Duration, Alone: c.IsGateway()}
	if c.IsGateway() && s == nil {
		h.Proof = []string{reg.ListenerID(), health.MaintenanceID(reg.ServiceID())}
	}
	if a := c.Health.App; a != nil {
		seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
		h.Probe = &Probe{Container: c.Health.Container, Command: a.Command, Question: Question{TCP: a.TCP, HTTP: a.HTTP, GRPC: a.GRPC}, Interval: seconds(a.Interval),
			Timeout: seconds(a.Timeout), Retries: a.Retries, StartPeriod: seconds(a.StartPeriod)}
	}
	return h
}

// Inbound is the drain of what comes in.
type Inbound struct {
	Drain       bool // false: no propagation wait and no drain call
	Propagation time.Duration
	Min         time.Duration
	Max         *time.Duration // nil: what the budget leaves
}

func inbound(c *config.Config, stop lifecycle.StopPlan) *Inbound {
	in := &Inbound{Drain: c.Shutdown.Drain.Enabled, Propagation: stop.Propagation, Min: c.Shutdown.Drain.Min.Duration}
	if c.Shutdown.Drain.Max.Given {
		in.Max = &stop.DrainMax
	}
	return in
}
