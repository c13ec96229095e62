package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"meshtask/acl"
	"meshtask/acl/daemon"
	"meshtask/acl/reconcile"
	"meshtask/internal/config"
	"meshtask/internal/printable"
	"meshtask/supervisor"
)

// controllerFlags are the flags of acl-controller, by CONTRACT §5.
func controllerFlags(fs *pflag.FlagSet) {
	fs.String("cluster", "", "name or ARN of the ECS cluster (own task's)")
	fs.String("agentless", "", "`MODE` only (no task has a client agent) or also (some have): keep the cluster's node and the catalog of those without")
	fs.Lookup("agentless").NoOptDefVal = agentlessOnly
	fs.String("consul-client-secret-arn", "", "secret of the Consul client agents' token")
	fs.String("secret-name-prefix", "", "prefix of the secrets' names, required without --iam-role-path or --agentless")
	fs.String("iam-role-path", "", "path of the IAM roles by which tasks log in; / is any (they do not log in)")
	fs.String("reserved", "", "more secrets, separated by commas, that no service may have")
	fs.Bool("partitions-enabled", false, "Consul Enterprise: partitions and namespaces")
	fs.String("partition", "", "the partition to work for (default)")
	fs.String("interval", "", "from one sweep to the next (10s)")
	fs.String("deletion-grace", "", "how long a service without tasks keeps its token (2m)")
	fs.String("audit-interval", "", "how often secrets, tokens and policies are compared with what should be (10m)")
	fs.String("rotate-after", "", "age at which tokens are replaced (never)")
	fs.Bool("create-secrets", false, "create secrets that do not exist")
	fs.Bool("once", false, "one audit and sweep, exit 0 or 1")
	fs.Bool("dry-run", false, "print the operations of one audit and sweep, and do nothing")
	fs.Bool("ha", false, "one of several: the leader, through a Consul lock, works")
	fs.String("listen", "", "HOST:PORT for /metrics and /health")
	fs.String("log-level", "", "trace, debug, info, warn or error (info)")
	fs.String("log-format", "", "text or json (text)")
}

// agentlessOnly is --agentless without a value; agentlessAlso is its only one.
const (
	agentlessOnly = "only"
	agentlessAlso = "also"
)

func runController(w *world, c call) int {
	if len(c.Rest) == 1 && c.Rest[0] == agentlessAlso && c.Set["agentless"] == agentlessOnly {
		return w.fail(exitUsage, "acl-controller: the value of --agentless goes behind =: --agentless=also")
	}
	if len(c.Rest) > 0 || c.HasDash {
		return w.fail(exitUsage, "acl-controller: it takes flags only")
	}
	if err := supervisor.CloseMemory(); err != nil { // it holds a management token
		return w.fail(exitInternal, "%v", err)
	}
	cfg, wrong := controllerConfig(w, c)
	d, err := daemon.New(cfg)
	if err := errors.Join(append(wrong, err)...); err != nil {
		return w.fail(exitConfig, "%v", err)
	}
	var listen net.Listener // nil: nobody asks
	if addr := c.Set["listen"]; addr != "" {
		if listen, err = net.Listen("tcp", addr); err != nil {
			return w.fail(exitInternal, "--listen: %v", err)
		}
		defer listen.Close()
	}
	code, err := d.Run(context.Background(), listen)
	if err != nil {
		return w.fail(code, "acl-controller: %v", err)
	}
	return code
}

// controllerConfig makes a configuration of the flags and variables, and says what is wrong
// with the flags.
func controllerConfig(w *world, c call) (cfg daemon.Config, wrong []error) {
	refuse := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	duration := func(name string) time.Duration {
		text, given := c.Set[name]
		if !given {
			return 0
		}
		d, err := time.ParseDuration(text)
		switch {
		case err != nil || d < 0:
			refuse("--%s: want a duration such as 90s or 10m, got %q", name, text)
		case d == 0 && name == "deletion-grace":
			return -1 // acl's word for none
		case d == 0 && name != "rotate-after":
			refuse("--%s: must be above 0", name)
		}
		return d
	}
	level, format := cmp.Or(c.Set["log-level"], "info"), cmp.Or(c.Set["log-format"], "text")
	if hclog.LevelFromString(level) == hclog.NoLevel {
		refuse("--log-level: want trace, debug, info, warn or error, got %q", level)
	}
	if format != "text" && format != "json" {
		refuse("--log-format: want text or json, got %q", format)
	}
	dry := c.On("dry-run")
	cfg = daemon.Config{
		Consul: acl.Server{Address: w.getenv("CONSUL_HTTP_ADDR"), Token: w.getenv("CONSUL_HTTP_TOKEN"),
			CAPEM: w.getenv("CONSUL_CACERT_PEM"), TLSServerName: w.getenv("CONSUL_TLS_SERVER_NAME")},
		Metadata: w.getenv("ECS_CONTAINER_METADATA_URI_V4"), Region: w.getenv("AWS_REGION"), Signals: w.signals,
	}
	cfg.ACL = acl.Config{
		Cluster: c.Set["cluster"], SecretPrefix: c.Set["secret-name-prefix"], RolePath: c.Set["iam-role-path"], ClientSecret: c.Set["consul-client-secret-arn"],
		Interval: duration("interval"), DeletionGrace: duration("deletion-grace"), AuditInterval: duration("audit-interval"),
		RotateAfter: duration("rotate-after"), Reserved: words(c.Set["reserved"]), CreateSecrets: c.On("create-secrets"),
		HA: c.On("ha"), Once: c.On("once") || dry, DryRun: dry, Out: printable.Writer(w.stdout),
		Log: w.logger(config.Log{Level: level, Format: format}, w.stderr),
	}
	if given, ok := c.Set["iam-role-path"]; ok && given == "" {
		refuse("--iam-role-path: give the path of the tasks' roles, such as /consul-ecs/; / is any role of the account")
	}
	switch given, ok := c.Set["agentless"]; {
	case given == agentlessOnly:
		cfg.ACL.Mode = reconcile.Agentless
	case given == agentlessAlso:
		cfg.ACL.Mode = reconcile.Mixed
	case ok:
		refuse("--agentless: want no value (no task has a client agent) or --agentless=also (some have), got %q", given)
	}
	switch given := c.Set["partition"]; {
	case c.On("partitions-enabled"):
		cfg.ACL.Partition = cmp.Or(given, "default")
	case given != "":
		refuse("--partition: %q needs --partitions-enabled (Consul Enterprise): give both, or neither", given)
	}
	return cfg, wrong
}
