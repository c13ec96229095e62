package config

import (
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"

	"meshtask/internal/jsontree"
)

// Envoy is the task's proxy process.
type Envoy struct {
	Command       string    `json:"command,omitempty"`   // a name to look up on PATH, or a path
	Bootstrap     string    `json:"bootstrap,omitempty"` // builtin, consul
	StatsTags     StatsTags `json:"statsTags"`
	LogLevel      string    `json:"logLevel,omitempty"`
	Concurrency   int       `json:"concurrency,omitempty"` // 0: from the CPU quota, at least 1
	ExtraArgs     []string  `json:"extraArgs,omitempty"`
	Admin         string    `json:"admin,omitempty"` // HOST:PORT; empty: unix socket in the state directory
	ReadyTimeout  Duration  `json:"readyTimeout,omitzero"`
	Restart       Restart   `json:"restart,omitzero"`
	StrictVersion bool      `json:"strictVersion,omitempty"`
}

// StatsTags is which of Consul's stats tags Envoy's bootstrap document carries. In JSON it
// is "auto", true (All), false (None) or the list of Names.
type StatsTags struct {
	Mode  TagMode
	Names []string // with ListedTags
}

// TagMode is how StatsTags chooses.
type TagMode string

// The modes. AutoTags leaves the expressions out unless something reads Envoy's statistics
// directly.
const (
	AutoTags   TagMode = "auto"
	AllTags    TagMode = "all"
	NoTags     TagMode = "none"
	ListedTags TagMode = "list"
)

// StatsTagNames are the names that a list may hold: those of the bootstrap document.
func StatsTagNames() []string {
	return []string{
		"local_cluster", "consul.source.service", "consul.source.namespace", "consul.source.partition", "consul.source.datacenter",
		"consul.destination.custom_hash", "consul.destination.service_subset", "consul.destination.service", "consul.destination.namespace",
		"consul.destination.partition", "consul.destination.datacenter", "consul.destination.peer", "consul.destination.routing_type",
		"consul.destination.trust_domain", "consul.destination.target", "consul.destination.full_target",
		"consul.upstream.service", "consul.upstream.datacenter", "consul.upstream.peer", "consul.upstream.namespace", "consul.upstream.partition",
		"consul.custom_hash", "consul.service_subset", "consul.service", "consul.namespace", "consul.datacenter", "consul.routing_type",
		"consul.trust_domain", "consul.target", "consul.full_target",
	}
}

// MarshalJSON is the form that Load takes.
func (t StatsTags) MarshalJSON() ([]byte, error) {
	switch t.Mode {
	case AllTags, NoTags:
		return json.Marshal(t.Mode == AllTags)
	case ListedTags:
		return json.Marshal(t.Names)
	}
	return json.Marshal(t.Mode)
}

// statsTags takes the forms of StatsTags.
func (b *binder) statsTags(n any, p *StatsTags, path string) {
	switch n := n.(type) {
	case bool:
		p.Mode = NoTags
		if n {
			p.Mode = AllTags
		}
	case []any:
		p.Mode = ListedTags
		for i, item := range n {
			if name, ok := item.(string); ok {
				p.Names = append(p.Names, name)
			} else {
				b.error(index(path, i), "must be a tag name, got %s: true and false stand alone, without a list", jsontree.Kind(item))
			}
		}
	default:
		if n != string(AutoTags) {
			b.error(path, `must be "auto", true, false or a list of tag names, got %s`, shown(n))
		}
	}
}

// shown is a value as an error message quotes it.
func shown(n any) string {
	if s, ok := n.(string); ok {
		return strconv.Quote(s)
	}
	return jsontree.Kind(n)
}

func (v checker) envoy() {
	e := v.c.Envoy
	v.nonEmpty("envoy.command", e.Command)
	v.oneOf("envoy.bootstrap", e.Bootstrap, "builtin", "consul")
	v.oneOf("envoy.logLevel", e.LogLevel, "trace", "debug", "info", "warning", "error", "critical", "off")
	if v.given["envoy.concurrency"] {
		v.between("envoy.concurrency", e.Concurrency, 1, 1024, "")
	}
	v.argv("envoy.extraArgs", e.ExtraArgs)
	for i, a := range e.ExtraArgs {
		if slices.Contains([]string{"-c", "--config-path", "--config-yaml", "--mode"}, a) {
			v.error(index("envoy.extraArgs", i), "%s is set by meshtask itself", a)
		}
	}
	for i, name := range e.StatsTags.Names {
		if known := StatsTagNames(); !slices.Contains(known, name) {
			v.error(index("envoy.statsTags", i), "there is no stats tag %q%s; these exist: %s", name, near(name, known), strings.Join(known, ", "))
		}
	}
	if e.Admin != "" {
		v.hostPort("envoy.admin", e.Admin)
	}
	v.positive("envoy.readyTimeout", e.ReadyTimeout)
	v.restart("envoy.restart", e.Restart)
}

// envoyAdmin keeps Envoy's admin interface, which shows the ACL token and ends
// Envoy for anyone who asks, within the task.
func (v checker) envoyAdmin() {
	host, _, err := net.SplitHostPort(v.c.Envoy.Admin)
	switch {
	case v.c.Envoy.Admin == "" || err != nil || host == "":
	case !local(host):
		v.error("envoy.admin", "must be a loopback address, got %q: every process that reaches it can read the ACL token and end Envoy; remove it to use a unix socket", v.c.Envoy.Admin)
	case v.c.Mode.Mesh():
		v.warn("envoy.admin", "every process that reaches %s can read the ACL token and end Envoy; remove it to use a unix socket", v.c.Envoy.Admin)
	}
}
