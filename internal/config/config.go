// Package config knows the JSON contract of meshtask: which documents, flags
// and variables there are, which of them wins, every field with its default,
// and what is wrong with them, all at once.
//
// It does no I/O: documents come as bytes and the environment as a lookup
// function, so that Load and Resolve are pure. It does not know what the
// fields lead to (package plan does) and reads no secret, only references.
package config

import (
	"cmp"
	"strings"
	"time"
)

// Config is a whole configuration. Load fills every default that does not
// depend on the task, Resolve the rest. A zero value of a field that says "0"
// or "empty" below means just that after both.
type Config struct {
	Service              Service        `json:"service,omitzero"`
	Proxy                Proxy          `json:"proxy,omitzero"`
	HealthSyncContainers []string       `json:"healthSyncContainers,omitempty"` // sibling containers whose ECS health is synced
	BootstrapDir         string         `json:"bootstrapDir,omitempty"`         // empty: the state directory
	Task                 Task           `json:"task,omitzero"`
	ConsulAgent          ConsulAgent    `json:"consulAgent,omitzero"`
	ConsulServers        *ConsulServers `json:"consulServers,omitempty"` // nil: with a client agent
	Gateway              *Gateway       `json:"gateway,omitempty"`       // nil: the task has an app, or apps beside it
	Envoy                Envoy          `json:"envoy,omitzero"`
	App                  App            `json:"app,omitzero"`
	Health               Health         `json:"health,omitzero"`
	Shutdown             Shutdown       `json:"shutdown,omitzero"`
	ACL                  ACL            `json:"acl,omitzero"`
	Admin                Admin          `json:"admin,omitzero"`
	Log                  Log            `json:"log,omitzero"`

	Mode       Mode          `json:"-"`
	Source     string        `json:"-"` // name of the document that was read; empty: none
	ConsulECS  bool          `json:"-"` // the document is CONSUL_ECS_CONFIG_JSON: a bootstrapDir that cannot be made falls back to the state directory
	Dir        string        `json:"-"` // --dir, MESHTASK_DIR; empty: choose (CONTRACT §3), or none with NoMesh
	MaxRunTime time.Duration `json:"-"` // --max-run-time; 0: no limit
}

// SourceName is Source, for people.
func (c *Config) SourceName() string {
	return cmp.Or(c.Source, "no document, defaults and environment only")
}

// Mode is what a configuration is for; it decides what is required and some
// defaults.
type Mode int

// Task is the identity of the task. What the document leaves empty, Resolve
// fills from the task metadata endpoint.
type Task struct {
	ID      string `json:"id,omitempty"`
	Family  string `json:"family,omitempty"`
	Cluster string `json:"cluster,omitempty"` // ARN or short name, as given
	Address string `json:"address,omitempty"` // an IP address

	ARN       string `json:"-"` // of the task
	Named     bool   `json:"-"` // Cluster was given
	Container string `json:"-"` // name of the own container; empty: not known

	// Of the task metadata endpoint; empty: it does not say.
	Zone, Revision, LaunchType string `json:"-"`
}

// Admin is the TCP side of the admin API; the unix socket is always there.
type Admin struct {
	Listen  string `json:"listen,omitempty"`  // HOST:PORT on loopback, or "off"
	Metrics string `json:"metrics,omitempty"` // IP:PORT of /metrics alone, on any interface; empty: none
}

// Log is how meshtask's own lines, and its children's, are written.
type Log struct {
	Level  string `json:"level,omitempty"`  // trace, debug, info, warn, error
	Format string `json:"format,omitempty"` // text, json
	App    string `json:"app,omitempty"`    // raw, prefix: the app's output
	Prefix bool   `json:"prefix"`           // prefix lines of the other children
	EMF    *EMF   `json:"emf,omitempty"`    // nil: no metrics in the log
}

// EMF is what of CloudWatch's embedded metric format is written into the log.
type EMF struct {
	Namespace string   `json:"namespace,omitempty"` // of the metrics
	Interval  Duration `json:"interval,omitzero"`   // between two lines
}

func (v checker) task() {
	t := v.c.Task
	v.match("task.id", t.ID, func(s string) bool { return consistsOf(s, "_-", 64) }, "1–64 letters, digits, '_' and '-'")
	v.match("task.family", t.Family, container, containerForm)
	v.ip("task.address", t.Address)
}

// rest checks what is left: admin, log, directories.
func (v checker) rest() {
	v.nonEmpty("bootstrapDir", v.c.BootstrapDir)
	v.text("dir", v.c.Dir)
	if l := v.c.Admin.Listen; l != "" && l != "off" {
		host := v.hostPort("admin.listen", l)
		if host != "" && !local(host) {
			v.error("admin.listen", "must be a loopback address, or \"off\", got %q", l)
		}
	}
	if m := v.c.Admin.Metrics; m != "" {
		if host := v.hostPort("admin.metrics", m); host != "" && !address(host) {
			v.error("admin.metrics", "must be IP:PORT, such as 0.0.0.0:9903, got %q", m)
		}
	}
	l := v.c.Log
	v.oneOf("log.level", l.Level, "trace", "debug", "info", "warn", "error")
	v.oneOf("log.format", l.Format, "text", "json")
	v.oneOf("log.app", l.App, "raw", "prefix")
	if l.EMF != nil {
		v.emf(*l.EMF)
	}
}

// emf checks what CloudWatch would refuse without a word: a namespace has these letters, 255 at
// most, and "AWS/" is not for others. It keeps nothing finer than a second.
func (v checker) emf(e EMF) {
	v.match("log.emf.namespace", e.Namespace, func(s string) bool { return consistsOf(s, "._-/#:", 255) && !strings.HasPrefix(s, "AWS/") },
		"1–255 letters, digits and any of ._-/#:, and must not begin with AWS/")
	if e.Interval.Duration < time.Second {
		v.error("log.emf.interval", "must be 1s or longer, got %s", e.Interval)
	}
}

// The modes.
const (
	Run     Mode = iota // meshtask run, dev
	Job                 // meshtask run --job
	NoMesh              // meshtask run --no-mesh: only app, log and shutdown hold
	Sibling             // meshtask app: likewise
)

// Mesh says whether the mode runs an agent and Envoy.
func (m Mode) Mesh() bool { return m == Run || m == Job }

// identity requires what the mesh needs: an endpoint may have no address, as in
// network mode host.
func (v checker) identity() {
	t := v.c.Task
	for _, f := range [][2]string{{"task.id", t.ID}, {"task.family", t.Family}, {"task.cluster", t.Cluster}, {"task.address", t.Address}} {
		if f[1] == "" {
			v.error(f[0], "required: the task metadata endpoint gives none")
		}
	}
	v.task()
}
