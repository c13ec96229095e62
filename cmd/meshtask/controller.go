package main

import (
	"context"
	"errors"
	"net"

	"github.com/spf13/pflag"

	"meshtask/acl/daemon"
	"meshtask/acl/settings"
	"meshtask/internal/config"
	"meshtask/internal/printable"
	"meshtask/supervisor"
)

// controllerFlags are the flags of acl-controller, by CONTRACT §5.
func controllerFlags(fs *pflag.FlagSet) {
	fs.String("cluster", "", "name or ARN of the ECS cluster (own task's)")
	fs.String("agentless", "", "`MODE` only (no task has a client agent) or also (some have): keep the cluster's node and the catalog of those without")
	fs.Lookup("agentless").NoOptDefVal = settings.AgentlessOnly
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

func runController(w *world, c call) int {
	if len(c.Rest) == 1 && c.Rest[0] == settings.AgentlessAlso && c.Set["agentless"] == settings.AgentlessOnly {
		return w.fail(exitUsage, "acl-controller: the value of --agentless goes behind =: --agentless=also")
	}
	if len(c.Rest) > 0 || c.HasDash {
		return w.fail(exitUsage, "acl-controller: it takes flags only")
	}
	if err := supervisor.CloseMemory(); err != nil { // it holds a management token
		return w.fail(exitInternal, "%v", err)
	}
	s, wrong := settings.Read(c.Set, w.getenv)
	s.Signals, s.ACL.Out = w.signals, printable.Writer(w.stdout)
	s.ACL.Log = w.logger(config.Log{Level: s.LogLevel, Format: s.LogFormat}, w.stderr)
	d, err := daemon.New(s.Config)
	if err := errors.Join(wrong, err); err != nil {
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
