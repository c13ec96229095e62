// Package settings makes the configuration of an ACL controller of what its command was given:
// flags, as words, and variables. It knows their names, and starts nothing.
package settings

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl"
	"meshtask/acl/daemon"
	"meshtask/acl/reconcile"
	"meshtask/internal/words"
)

// Settings are a configuration, and what its logger is to be. The caller makes that, and adds what
// comes from the process: ACL.Log, ACL.Out, Signals.
type Settings struct {
	daemon.Config
	LogLevel, LogFormat string
}

// The values of --agentless; AgentlessOnly is that of the flag alone.
const (
	AgentlessOnly = "only"
	AgentlessAlso = "also"
)

// Read reads the flags that were given, by name, and the variables. The error is of all that is
// wrong with the flags themselves, in lines; the settings are good for telling, by daemon.New, what
// else is wrong.
func Read(flags map[string]string, variable func(name string) string) (Settings, error) {
	r := reader{flags: flags}
	return r.read(variable), errors.Join(r.wrong...)
}

// reader reads flags, and collects what is wrong with them.
type reader struct {
	flags map[string]string
	wrong []error
}

func (r *reader) refuse(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Errorf(format, args...))
}

func (r *reader) on(name string) bool { return r.flags[name] == "true" }

// duration reads a duration; 0 is that none was given.
func (r *reader) duration(name string) time.Duration {
	text, given := r.flags[name]
	if !given {
		return 0
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d < 0:
		r.refuse("--%s: want a duration such as 90s or 10m, got %q", name, text)
	case d == 0 && name == "deletion-grace":
		return -1 // acl's word for none
	case d == 0 && name != "rotate-after":
		r.refuse("--%s: must be above 0", name)
	}
	return d
}

func (r *reader) read(variable func(string) string) (s Settings) {
	dry := r.on("dry-run")
	s.ACL = acl.Config{
		Cluster: r.flags["cluster"], SecretPrefix: r.flags["secret-name-prefix"], RolePath: r.flags["iam-role-path"],
		ClientSecret: r.flags["consul-client-secret-arn"], Reserved: words.List(r.flags["reserved"]),
		Interval: r.duration("interval"), DeletionGrace: r.duration("deletion-grace"), AuditInterval: r.duration("audit-interval"),
		RotateAfter: r.duration("rotate-after"), CreateSecrets: r.on("create-secrets"), HA: r.on("ha"), Once: r.on("once") || dry, DryRun: dry,
	}
	s.Consul = acl.Server{Address: variable("CONSUL_HTTP_ADDR"), Token: variable("CONSUL_HTTP_TOKEN"),
		CAPEM: variable("CONSUL_CACERT_PEM"), TLSServerName: variable("CONSUL_TLS_SERVER_NAME")}
	s.Metadata, s.Region = variable("ECS_CONTAINER_METADATA_URI_V4"), variable("AWS_REGION")
	s.LogLevel, s.LogFormat = cmp.Or(r.flags["log-level"], "info"), cmp.Or(r.flags["log-format"], "text")
	if hclog.LevelFromString(s.LogLevel) == hclog.NoLevel {
		r.refuse("--log-level: want trace, debug, info, warn or error, got %q", s.LogLevel)
	}
	if s.LogFormat != "text" && s.LogFormat != "json" {
		r.refuse("--log-format: want text or json, got %q", s.LogFormat)
	}
	if given, ok := r.flags["iam-role-path"]; ok && given == "" {
		r.refuse("--iam-role-path: give the path of the tasks' roles, such as /consul-ecs/; / is any role of the account")
	}
	switch given, ok := r.flags["agentless"]; {
	case given == AgentlessOnly:
		s.ACL.Mode = reconcile.Agentless
	case given == AgentlessAlso:
		s.ACL.Mode = reconcile.Mixed
	case ok:
		r.refuse("--agentless: want no value (no task has a client agent) or --agentless=also (some have), got %q", given)
	}
	switch given := r.flags["partition"]; {
	case r.on("partitions-enabled"):
		s.ACL.Partition = cmp.Or(given, "default")
	case given != "":
		r.refuse("--partition: %q needs --partitions-enabled (Consul Enterprise): give both, or neither", given)
	}
	return s
}
