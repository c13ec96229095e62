package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"meshtask/consulagent"
	"meshtask/consulservers"
	"meshtask/envoy/bootstrap"
	"meshtask/health"
	"meshtask/internal/config"
	"meshtask/internal/secret"
	"meshtask/lifecycle"
)

// document is the plan as `meshtask plan --json` prints it. Paths within the state directory
// begin with DIR, which is chosen at the start; secrets are their references.
type document struct {
	Kind       Kind                          `json:"kind"`
	Task       Task                          `json:"task"`
	Timeline   lifecycle.Timeline            `json:"timeline"`
	Stop       string                        `json:"stop"`
	StopSteps  []lifecycle.Step              `json:"stop_steps"`
	MaxRunTime string                        `json:"max_run_time,omitempty"`
	Command    []string                      `json:"command,omitempty"`
	App        *appDocument                  `json:"app,omitempty"`
	Ready      *readyDocument                `json:"ready,omitempty"`
	StopOn     []string                      `json:"stop_on,omitempty"`
	Lease      *leaseDocument                `json:"lease,omitempty"`
	Agent      *agentDocument                `json:"agent,omitempty"`
	Servers    *serversDocument              `json:"consul_servers,omitempty"`
	Catalog    []*api.CatalogRegistration    `json:"catalog,omitempty"` // in place of the next three, without an agent
	Service    *api.AgentServiceRegistration `json:"service,omitempty"`
	Sidecar    *api.AgentServiceRegistration `json:"sidecar,omitempty"`
	Gateway    *api.AgentServiceRegistration `json:"gateway,omitempty"`
	Checks     []checkDocument               `json:"checks,omitempty"`
	Envoy      *envoyDocument                `json:"envoy,omitempty"`
	Inbound    *inboundDocument              `json:"inbound,omitempty"`
	Health     *healthDocument               `json:"health_sync,omitempty"`
	Tokens     *tokensDocument               `json:"tokens,omitempty"`
	Secrets    []Secret                      `json:"secrets,omitempty"`
	Files      filesDocument                 `json:"files"`
	Admin      string                        `json:"admin,omitempty"`
	Metrics    string                        `json:"metrics,omitempty"`
	Log        Log                           `json:"log"`
}

type restartDocument struct {
	Policy     string `json:"policy"`
	Max        int    `json:"max,omitempty"`
	Window     string `json:"window,omitempty"`
	Backoff    string `json:"backoff,omitempty"`
	MaxBackoff string `json:"max_backoff,omitempty"`
}

type appDocument struct {
	Argv        []string          `json:"argv"`
	Dir         string            `json:"dir,omitempty"`
	User        string            `json:"user,omitempty"`
	StopSignal  string            `json:"stop_signal"`
	To          string            `json:"signal"` // group or leader
	StopTimeout string            `json:"stop_timeout,omitempty"`
	Restart     restartDocument   `json:"restart"`
	Without     []string          `json:"env_removed,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
}

type readyDocument struct {
	When    string `json:"when"`
	Timeout string `json:"timeout,omitempty"`
}

type leaseDocument struct {
	Lease
	Wait string `json:"wait"`
}

type agentDocument struct {
	External    string           `json:"external,omitempty"`
	HTTP        string           `json:"http"`
	GRPC        string           `json:"grpc"`
	Argv        []string         `json:"argv,omitempty"`
	Document    json.RawMessage  `json:"document,omitempty"`
	JoinTimeout string           `json:"join_timeout"`
	Restart     *restartDocument `json:"restart,omitempty"`
}

type serversDocument struct {
	Hosts       []string         `json:"hosts"`
	Follow      bool             `json:"follow"`
	Node        string           `json:"node"`
	HTTP        endpointDocument `json:"http"`
	GRPC        endpointDocument `json:"grpc"`
	WarmUp      bool             `json:"warm_up"`
	JoinTimeout string           `json:"join_timeout"`
}

type endpointDocument struct {
	Port       int        `json:"port"`
	TLS        bool       `json:"tls"`
	CACert     secret.Ref `json:"ca_cert,omitzero"`
	ServerName string     `json:"tls_server_name,omitempty"`
}

func (s *Servers) document() *serversDocument {
	return &serversDocument{s.Hosts, s.Follow, s.Node.Name, endpointDocument(s.HTTP), endpointDocument(s.GRPC), s.WarmUp, s.JoinTimeout.String()}
}

type envoyDocument struct {
	Argv          []string        `json:"argv"`
	Listen        string          `json:"listen"`
	Admin         string          `json:"admin"`
	Bootstrap     string          `json:"bootstrap"`  // who makes it: builtin or consul
	StatsTags     any             `json:"stats_tags"` // "auto", or a list of names
	ReadyTimeout  string          `json:"ready_timeout"`
	StrictVersion bool            `json:"strict_version,omitempty"`
	Restart       restartDocument `json:"restart"`
}

type inboundDocument struct {
	Drain       bool   `json:"drain"`
	Propagation string `json:"propagation"`
	Min         string `json:"min"`
	Max         string `json:"max,omitempty"`
}

type healthDocument struct {
	TTL      string         `json:"ttl"`
	Never    bool           `json:"critical_for_life,omitempty"`
	Catalog  bool           `json:"catalog_removal"`
	Siblings []string       `json:"siblings,omitempty"`
	Interval string         `json:"interval,omitempty"`
	Probe    *probeDocument `json:"app,omitempty"`
}

type probeDocument struct {
	Container   string   `json:"container"`
	Command     []string `json:"command,omitempty"`
	Asks        string   `json:"asks,omitempty"`
	Interval    string   `json:"interval"`
	Timeout     string   `json:"timeout"`
	Retries     int      `json:"retries"`
	StartPeriod string   `json:"start_period,omitempty"`
}

type checkDocument struct {
	ID        string `json:"id"`
	Container string `json:"container"`
	From      string `json:"from"` // whose word it is
}

// checks are those that health-sync sets.
func (p *Plan) checks() []checkDocument {
	var out []checkDocument
	for _, c := range p.Health.Checks {
		from := map[health.Origin]string{health.FromApp: "the app", health.FromProbe: "health.app", health.FromSibling: "ECS"}[c.Origin]
		if p.Health.Alone {
			from = "Envoy"
		}
		out = append(out, checkDocument{c.ID, c.Container, from})
	}
	return out
}

type tokensDocument struct {
	Service secret.Ref `json:"service,omitzero"`
	Agent   secret.Ref `json:"agent,omitzero"`
	Wait    string     `json:"wait"`
	Refresh string     `json:"refresh,omitempty"`
	Login   *Login     `json:"login,omitempty"`
}

type filesDocument struct {
	Dir       string `json:"dir,omitempty"`
	Bootstrap string `json:"bootstrap,omitempty"`
}

// MarshalJSON has the interval as a Go string.
func (e EMF) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"namespace": e.Namespace, "interval": e.Interval.String()})
}

// JSON is the whole plan as an indented document.
func (p *Plan) JSON() ([]byte, error) {
	d := document{
		Kind: p.Kind, Task: p.Task, Timeline: p.Rows, Stop: p.Stop.String(), StopSteps: p.Stop.Steps(), MaxRunTime: duration(p.MaxRunTime),
		Ready: &readyDocument{p.Ready.String(), duration(p.Ready.Timeout)}, StopOn: p.stopOn(), Secrets: p.Secrets, Admin: p.Admin, Metrics: p.Metrics, Log: p.Log, Files: filesDocument{Dir: p.Files.Dir},
	}
	if p.App != nil {
		d.Command, d.App = p.App.Argv, p.App.document()
	}
	if p.IsGateway() {
		d.Ready = nil
	}
	if p.Lease != nil {
		d.Lease = &leaseDocument{*p.Lease, p.Lease.Wait.String()}
	}
	if p.Kind.HasMesh() {
		if err := p.meshDocument(&d); err != nil {
			return nil, err
		}
	}
	return json.MarshalIndent(d, "", "  ")
}

func (p *Plan) meshDocument(d *document) error {
	d.Checks = p.checks()
	d.Files.Bootstrap = inDir(BootstrapFile)
	if dir := p.Files.BootstrapDir; dir != "" {
		d.Files.Bootstrap = strings.TrimSuffix(dir, "/") + "/" + BootstrapFile
	}
	if p.Servers != nil {
		d.Servers, d.Catalog = p.Servers.document(), consulservers.Registrations(p.Servers.Node, *p.Service, p.Servers.Names, p.Health.SyncedChecks())
	} else if err := p.agentDocument(d); err != nil {
		return err
	}
	p.restDocument(d)
	return nil
}

// agentDocument is the agent's part.
func (p *Plan) agentDocument(d *document) error {
	reference := func(r secret.Ref) string { return r.String() }
	if parts := p.Service.Parts(); p.IsGateway() {
		d.Gateway = parts[0]
	} else {
		d.Service, d.Sidecar = parts[0], parts[1]
	}
	d.Agent = &agentDocument{External: p.Agent.External, HTTP: p.Agent.HTTP, GRPC: p.Agent.GRPC, JoinTimeout: p.Agent.JoinTimeout.String()}
	if p.Agent.External == "" {
		text, err := p.Agent.Config(reference, p.Tokens.Agent.String(), inDir).Document()
		if err != nil {
			return err
		}
		r := p.Agent.Restart.document()
		d.Agent.Document, d.Agent.Restart, d.Agent.Argv = text, &r, consulagent.Argv(p.Consul, inDir(AgentDocument))
	}
	return nil
}

// restDocument is Envoy's part, health-sync's and the tokens'.
func (p *Plan) restDocument(d *document) {
	e := p.Envoy
	d.Envoy = &envoyDocument{Argv: e.Config(e.Command, inDir).Argv(), Listen: e.Listen, Admin: e.AdminAddress(inDir), Bootstrap: "builtin", StatsTags: shownTags(e.StatsTags),
		ReadyTimeout: e.ReadyTimeout.String(), StrictVersion: e.StrictVersion, Restart: e.Restart.document()}
	if e.ConsulMakes {
		d.Envoy.Bootstrap = "consul"
	}
	in := p.Inbound
	d.Inbound = &inboundDocument{Drain: in.Drain, Propagation: in.Propagation.String(), Min: in.Min.String()}
	if in.Max != nil {
		d.Inbound.Max = in.Max.String()
	}
	h := p.Health
	d.Health = &healthDocument{TTL: h.TTL.String(), Never: h.Never, Catalog: h.Catalog, Siblings: h.Siblings}
	if len(h.Siblings) > 0 {
		d.Health.Interval = h.Interval.String()
	}
	if pr := h.Probe; pr != nil {
		d.Health.Probe = &probeDocument{pr.Container, pr.Command, pr.Question.String(), pr.Interval.String(), pr.Timeout.String(), pr.Retries, duration(pr.StartPeriod)}
	}
	if t := p.Tokens; p.Rows.Has(lifecycle.Token) {
		d.Tokens = &tokensDocument{Service: t.Service, Agent: t.Agent, Wait: t.Wait.String(), Login: t.Login}
		if t.renews() {
			d.Tokens.Refresh = t.Refresh.String()
		}
	}
}

func shownTags(t bootstrap.StatsTags) any {
	if t.Auto {
		return "auto"
	}
	return slices.Concat([]string{}, t.Names) // none is an empty list
}

// inDir marks a name in the state directory.
func inDir(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return "DIR/" + name
}

func (a *App) document() *appDocument {
	d := &appDocument{Argv: a.Argv, Dir: a.Dir, User: a.User, StopSignal: "the one that came", To: "group", Restart: a.Restart.document(), Without: a.Env.Remove}
	if a.StopSignal != 0 {
		d.StopSignal = config.Signal(a.StopSignal).String()
	}
	if a.Leader {
		d.To = "leader"
	}
	if a.StopTimeout != nil {
		d.StopTimeout = a.StopTimeout.String()
	}
	for _, v := range a.Env.Set {
		if d.Env == nil {
			d.Env = map[string]string{}
		}
		d.Env[v.Name] = v.Value
		if !v.From.IsZero() {
			d.Env[v.Name] = v.From.String()
		}
	}
	return d
}

func (r Restart) document() restartDocument {
	if r.Policy == "never" {
		return restartDocument{Policy: r.Policy}
	}
	return restartDocument{r.Policy, r.Max, r.Window.String(), r.Backoff.String(), r.MaxBackoff.String()}
}
