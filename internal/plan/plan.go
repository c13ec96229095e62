// Package plan turns a configuration and an identity into a Plan: everything that one task
// will run, as one value. `run` runs exactly that value, and `meshtask plan` prints it.
//
// It is pure: it reads no file and no variable, asks nobody and starts nothing. Secrets pass
// through it as references only.
package plan

import (
	"cmp"
	"slices"
	"syscall"
	"time"

	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/registration"
	"meshtask/internal/secret"
	"meshtask/lifecycle"
)

// Plan is everything that one task will run, decided before anything starts. It is a value:
// nothing in it changes, and `meshtask plan` prints it. Secrets are in it as references.
type Plan struct {
	Kind       Kind
	Task       Task
	Rows       lifecycle.Timeline
	Stop       lifecycle.StopPlan
	MaxRunTime time.Duration // 0: no limit

	App      *App             // nil: the apps live in sibling containers
	Ready    Ready            // of the app, or of the siblings
	StopOn   []syscall.Signal // signals that begin a stop, besides TERM, INT and QUIT
	Lease    *Lease           // of `meshtask app` alone
	Agent    *Agent           // nil without a mesh, as are the next four; nil with Servers
	Servers  *Servers         // nil with a client agent
	Consul   string           // a name to look up on PATH, or a path: of the agent, and what makes bootstraps
	Service  *registration.Registration
	Envoy    *Envoy
	Inbound  *Inbound
	Health   *Health
	Remove   []string // variables that hold secrets of the mesh: no child gets them
	Tokens   Tokens
	Secrets  []Secret // every reference, in a fixed order
	Files    Files
	Admin    string // HOST:PORT of the admin interface on TCP; "": none
	Metrics  string // IP:PORT of /metrics alone; "": none
	Log      Log
	Warnings []Warning
}

// Kind is what a plan is for.
type Kind string

// The kinds.
const (
	Mesh    Kind = "mesh"    // meshtask run, dev
	Job     Kind = "job"     // meshtask run --job
	Init    Kind = "init"    // meshtask run --no-mesh
	Sibling Kind = "sibling" // meshtask app
)

// HasMesh says whether the kind runs an agent and Envoy.
func (k Kind) HasMesh() bool { return k == Mesh || k == Job }

// Task is the identity of the task.
type Task struct {
	ID        string `json:"id"`
	ARN       string `json:"arn"`
	Family    string `json:"family"`
	Cluster   string `json:"cluster"`
	Address   string `json:"address"`
	Container string `json:"container,omitempty"` // own name; "": not known
}

// Secret is one reference and the field that wants it.
type Secret struct {
	Path string     `json:"path"`
	Ref  secret.Ref `json:"ref"`
}

// Files is where files go. Names that are not absolute are relative to the state directory.
type Files struct {
	Dir          string // asked for; "": the first candidate that can be written, or none for Init
	BootstrapDir string // of Envoy's bootstrap; "": the state directory
	// BootstrapFallback: where BootstrapDir cannot be used, the state directory is, as
	// consul-ecs documents expect.
	BootstrapFallback bool
}

// Names in the state directory (CONTRACT §3).
const (
	AgentData     = "consul"
	AgentDocument = "consul.json"
	AgentCA       = "consul-ca.pem"
	BootstrapFile = "envoy-bootstrap.json"
	EnvoySocket   = "envoy-admin.sock"
	EnvoyToken    = "envoy-token.json"
)

// Log is how lines are written.
type Log struct {
	Level  string `json:"level"`
	Format string `json:"format"` // text, json
	App    string `json:"app"`    // raw, prefix
	Prefix bool   `json:"prefix"` // of the other children's lines
	EMF    *EMF   `json:"emf,omitempty"`
}

// EMF is which metrics the log has for CloudWatch; nil: none.
type EMF struct {
	Namespace string
	Interval  time.Duration // between two lines
}

// Lease is how `meshtask app` finds the mesh container.
type Lease struct {
	Address string        `json:"address"`
	Wait    time.Duration `json:"-"`
}

// Warning is what is odd about a configuration, and where.
type Warning struct{ Path, Text string }

// Tokens is where the task's Consul tokens come from.
type Tokens struct {
	ACLs    bool
	Service secret.Ref // zero: none, or the login
	Agent   secret.Ref
	Wait    time.Duration // longest wait for a secret that is not filled, or a token that Consul does not know
	Refresh time.Duration // between two looks whether Service and Agent are other ones; 0: never
	Login   *Login
}

// renews says whether a token may change while the task runs.
func (t Tokens) renews() bool {
	agent := (t.Login == nil || t.Login.AgentMethod == "") && !t.Agent.Fixed()
	return (t.Login == nil && !t.Service.Fixed() || agent) && t.Refresh > 0
}

// Login is a login by Consul's aws-iam auth method.
type Login struct {
	Method      string            `json:"method"`
	AgentMethod string            `json:"agent_method,omitempty"` // "": the agent does not log in
	Datacenter  string            `json:"datacenter,omitempty"`
	Partition   string            `json:"partition,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	Server      string            `json:"server"`
	ServerName  string            `json:"tls_server_name,omitempty"` // in the server's certificate
	CACert      secret.Ref        `json:"ca_cert,omitzero"`
	Entity      bool              `json:"entity"`
	Region      string            `json:"region,omitempty"`
	STSEndpoint string            `json:"sts_endpoint,omitempty"`
	ServerID    string            `json:"server_id,omitempty"`
}

// New makes the plan of one task. It completes c with id, so c is spent. The error has a
// cause code: the configuration's.
func New(c *config.Config, id ecs.Identity) (*Plan, error) {
	synced := slices.Contains(c.HealthSyncContainers, id.Container)
	if err := c.Resolve(id); err != nil {
		return nil, err
	}
	p := &Plan{
		Kind: KindOf(c.Mode), Rows: Rows(c), MaxRunTime: c.MaxRunTime, Ready: readyOf(c), StopOn: StopOn(c), App: app(c), Admin: admin(c), Metrics: metrics(c), Files: files(c),
		Task:   Task{ID: c.Task.ID, ARN: c.Task.ARN, Family: c.Task.Family, Cluster: c.Task.Cluster, Address: c.Task.Address, Container: c.Task.Container},
		Tokens: tokens(c), Log: logOf(c.Log),
	}
	for _, r := range c.References() {
		p.Secrets = append(p.Secrets, Secret(r))
	}
	var err error
	if p.Stop, err = Stop(c, p.Rows); err != nil {
		return nil, event.Because(event.ConfigBudget, err)
	}
	if !p.Kind.HasMesh() {
		return p, nil
	}
	p.mesh(c, synced)
	if synced {
		p.Warnings = append(p.Warnings, Warning{"healthSyncContainers", c.Task.Container +
			" is meshtask's own container: its check follows the app and health.app, not its ECS health, which would wait for itself"})
	}
	return p, nil
}

// mesh fills in what only a task with a mesh has.
func (p *Plan) mesh(c *config.Config, synced bool) {
	reg := registrationOf(c)
	for _, key := range reg.Overridden() {
		p.Warnings = append(p.Warnings, Warning{"service.meta." + key, "meshtask sets it itself; the value is not used"})
	}
	p.Service, p.Remove, p.Consul = &reg, c.SecretVariables(), c.ConsulAgent.Command
	if p.Servers = servers(c); p.Servers == nil {
		p.Agent = agent(c)
	} else if l := p.Tokens.Login; l != nil {
		l.ServerName = p.Servers.HTTP.ServerName
	}
	p.Envoy = envoyOf(c, p.Stop)
	p.Inbound = inbound(c, p.Stop)
	p.Health = healthOf(c, reg, p.Servers, synced)
}

// KindOf is what a mode of the configuration asks for.
func KindOf(m config.Mode) Kind {
	switch m {
	case config.Job:
		return Job
	case config.NoMesh:
		return Init
	case config.Sibling:
		return Sibling
	}
	return Mesh
}

func admin(c *config.Config) string {
	if l := c.Admin.Listen; c.Mode.Mesh() && l != "off" {
		return l
	}
	return ""
}

func metrics(c *config.Config) string {
	if c.Mode.Mesh() {
		return c.Admin.Metrics
	}
	return ""
}

func logOf(l config.Log) Log {
	out := Log{Level: l.Level, Format: l.Format, App: l.App, Prefix: l.Prefix}
	if l.EMF != nil {
		out.EMF = &EMF{l.EMF.Namespace, l.EMF.Interval.Duration}
	}
	return out
}

func files(c *config.Config) Files {
	return Files{Dir: c.Dir, BootstrapDir: c.BootstrapDir, BootstrapFallback: c.ConsulECS}
}

func tokens(c *config.Config) Tokens {
	a := c.ACL
	t := Tokens{ACLs: a.Enabled, Service: a.ServiceToken, Agent: a.AgentToken, Wait: a.Wait.Duration, Refresh: a.Refresh.Duration}
	if l := a.Login; l != nil {
		t.Login = &Login{Method: l.Method, AgentMethod: l.AgentMethod, Datacenter: l.Datacenter,
			Partition: cmp.Or(l.Partition, c.Service.Partition, c.ConsulAgent.Partition), Meta: l.Meta, Server: l.Server, ServerName: c.ConsulAgent.TLSServerName, CACert: l.CACert,
			Entity: l.IncludeEntity, Region: l.Region, STSEndpoint: l.STSEndpoint, ServerID: l.ServerIDHeaderValue}
	}
	return t
}
