package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"github.com/spf13/pflag"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
	"github.com/oklog/run"

	"meshtask/acl"
	"meshtask/internal/awssdk"
	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/httplimit"
	"meshtask/internal/printable"
	"meshtask/internal/relay"
	"meshtask/internal/waits"
	"meshtask/supervisor"
)

// controllerFlags are the flags of acl-controller, by CONTRACT §5.
func controllerFlags(fs *pflag.FlagSet) {
	fs.String("cluster", "", "name or ARN of the ECS cluster (own task's)")
	fs.String("consul-client-secret-arn", "", "secret of the Consul client agents' token")
	fs.String("secret-name-prefix", "", "prefix of the secrets' names, required")
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

// controller is one run of the ACL controller:
//
//	flags, env → acl.Config ─┐
//	task metadata → cluster ─┼─► acl.Controller ◄─ ECS, Secrets Manager, Consul
//	AWS settings → Region ───┘         └─► log, /metrics, exit code
type controller struct {
	w      *world
	log    hclog.Logger
	cfg    acl.Config
	consul *api.Client
	listen net.Listener // nil: nobody asks

	region  string          // from the own task's ARN; empty: the SDK knows
	unit    *acl.Controller // once ready
	metrics http.Handler
}

func runController(w *world, c call) int {
	if len(c.rest) > 0 || c.hasDash {
		return w.fail(exitUsage, "acl-controller: it takes flags only")
	}
	if err := supervisor.CloseMemory(); err != nil { // it holds a management token
		return w.fail(exitInternal, "%v", err)
	}
	k, err := newController(w, c)
	if err != nil {
		return w.fail(exitConfig, "%v", err)
	}
	if addr := c.set["listen"]; addr != "" {
		if k.listen, err = net.Listen("tcp", addr); err != nil {
			return w.fail(exitInternal, "--listen: %v", err)
		}
		defer k.listen.Close()
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	err = k.group(ctx, cancel)
	if sig, ok := errors.AsType[*relay.Stopped](context.Cause(ctx)); ok {
		k.log.Info("acl controller stopped", "cause", sig.Error())
		if !k.cfg.Once {
			return 0
		}
		return 1
	}
	if c := event.CauseOf(err); c != nil {
		return w.fail(c.Code.Exit(), "acl-controller: %v", err)
	}
	if err != nil {
		return w.fail(1, "acl-controller: %v", err)
	}
	return 0
}

// newController reads what does not need anybody else.
func newController(w *world, c call) (*controller, error) {
	var errs []error
	duration := func(name string) time.Duration {
		text, given := c.set[name]
		if !given {
			return 0
		}
		d, err := time.ParseDuration(text)
		switch {
		case err != nil || d < 0:
			errs = append(errs, fmt.Errorf("--%s: want a duration such as 90s or 10m, got %q", name, text))
		case d == 0 && name == "deletion-grace":
			return -1 // acl's word for none
		case d == 0 && name != "rotate-after":
			errs = append(errs, fmt.Errorf("--%s: must be above 0", name))
		}
		return d
	}
	level, format := cmp.Or(c.set["log-level"], "info"), cmp.Or(c.set["log-format"], "text")
	if hclog.LevelFromString(level) == hclog.NoLevel {
		errs = append(errs, fmt.Errorf("--log-level: want trace, debug, info, warn or error, got %q", level))
	}
	if format != "text" && format != "json" {
		errs = append(errs, fmt.Errorf("--log-format: want text or json, got %q", format))
	}
	k := &controller{w: w, log: w.logger(config.Log{Level: level, Format: format}, w.stderr)}
	dry := c.on("dry-run")
	k.cfg = acl.Config{
		Cluster: c.set["cluster"], SecretPrefix: c.set["secret-name-prefix"], ClientSecret: c.set["consul-client-secret-arn"],
		Interval: duration("interval"), DeletionGrace: duration("deletion-grace"), AuditInterval: duration("audit-interval"),
		RotateAfter: duration("rotate-after"), Reserved: words(c.set["reserved"]), CreateSecrets: c.on("create-secrets"),
		HA: c.on("ha"), Once: c.on("once") || dry, DryRun: dry, Out: printable.Writer(w.stdout), Log: k.log,
	}
	if k.cfg.SecretPrefix == "" {
		errs = append(errs, errors.New("--secret-name-prefix: give the prefix of the secrets' names"))
	}
	switch given := c.set["partition"]; {
	case c.on("partitions-enabled"):
		k.cfg.Partition = cmp.Or(given, "default")
	case given != "":
		errs = append(errs, fmt.Errorf("--partition: %q needs --partitions-enabled (Consul Enterprise): give both, or neither", given))
	}
	var warning string
	var err error
	if k.consul, warning, err = w.consulServer().Client(); err != nil {
		errs = append(errs, err)
	}
	if warning != "" {
		k.log.Warn(warning)
	}
	if k.cfg.Cluster == "" && w.getenv("ECS_CONTAINER_METADATA_URI_V4") == "" {
		errs = append(errs, errors.New("--cluster: required outside of an ECS task (ECS_CONTAINER_METADATA_URI_V4 is not set)"))
	}
	return k, errors.Join(errs...)
}

// consulServer is the Consul server that the environment names.
func (w *world) consulServer() acl.Server {
	return acl.Server{Address: w.getenv("CONSUL_HTTP_ADDR"), Token: w.getenv("CONSUL_HTTP_TOKEN"),
		CAPEM: w.getenv("CONSUL_CACERT_PEM"), TLSServerName: w.getenv("CONSUL_TLS_SERVER_NAME")}
}

// group runs the controller beside the signal relay and the HTTP server. Only
// the controller returns by itself.
func (k *controller) group(ctx context.Context, cancel context.CancelCauseFunc) error {
	var g run.Group
	var err error
	ready := make(chan struct{}) // closed by live, once k.unit stands
	g.Add(func() error { err = k.live(ctx, ready); return nil }, func(error) { cancel(nil) })
	done := make(chan struct{})
	signals := relay.Relay{Signals: k.w.signals, Forward: func(syscall.Signal) {},
		Stops: func(s syscall.Signal) bool {
			return slices.Contains([]syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT}, s)
		},
		Stop:  func(s syscall.Signal) { cancel(&relay.Stopped{Signal: s}) },
		Again: func(int, syscall.Signal) {}, // it ends within 5 s anyway
	}
	g.Add(func() error { signals.Run(done); return nil }, func(error) { close(done) })
	if k.listen != nil {
		server := k.server(ready)
		limited := httplimit.Limit(k.listen, httplimit.Connections())
		g.Add(func() error { return server.Serve(limited) }, func(error) { _ = server.Close() })
	}
	if groupErr := g.Run(); err == nil && groupErr != nil {
		return groupErr
	}
	return err
}

// live finds out for which cluster, and works until ctx ends.
func (k *controller) live(ctx context.Context, ready chan<- struct{}) error {
	if err := k.identify(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	cfg, err := k.aws(ctx)
	if err != nil {
		return err
	}
	named := k.waits()
	defer named.Close()
	k.cfg.Waiting = told(named.Of(controllerUnit))
	k.unit, err = acl.New(k.cfg, cfg, k.consul)
	if err != nil {
		return event.Because(event.ConfigBad, err)
	}
	k.metrics = k.unit.Metrics()
	close(ready)
	return k.unit.Run(ctx)
}

const controllerUnit = "acl-controller"

// waits has what the controller waits for in its log.
func (k *controller) waits() *waits.Waits {
	return waits.New(func(unit string, w event.Waiting) {
		k.log.Info("waiting", "unit", unit, "for", w.What, "since", w.Since, "error", w.Err, "hint", w.Fix)
	})
}

// told reports waits that are told in strings.
func told(report event.Report) func(what, lastError, fix string) {
	return func(what, lastError, fix string) {
		if what == "" {
			report(event.WaitOver{})
			return
		}
		report(event.Waiting{What: what, Err: lastError, Fix: fix})
	}
}

// identify asks the task metadata endpoint for the cluster, when there is one.
// A cluster that is given needs no answer, but the Region may.
func (k *controller) identify(ctx context.Context) error {
	uri := k.w.getenv("ECS_CONTAINER_METADATA_URI_V4")
	if k.cfg.Cluster != "" && (uri == "" || k.w.getenv("AWS_REGION") != "") {
		return nil
	}
	client, err := ecs.New(uri)
	if err != nil {
		return err
	}
	defer client.Close()
	named := k.waits()
	defer named.Close()
	id, err := client.Identity(ctx, named.Of(controllerUnit))
	if err != nil {
		if k.cfg.Cluster != "" {
			return nil // the SDK has other ways to a Region
		}
		return err
	}
	if arn, err := ecs.ParseARN(id.ARN); err == nil {
		k.region = arn.Region
	}
	k.cfg.Cluster = cmp.Or(k.cfg.Cluster, id.Cluster)
	return nil
}

// aws are the SDK's settings; a Region that they lack is the own task's, or that
// of an ARN that was given.
func (k *controller) aws(ctx context.Context) (aws.Config, error) {
	cfg, err := awssdk.Load(ctx)
	if err != nil {
		return cfg, event.Because(event.ConfigBad, err)
	}
	for _, given := range []string{k.cfg.Cluster, k.cfg.ClientSecret} {
		if arn, err := ecs.ParseARN(given); err == nil && strings.HasPrefix(given, "arn:") {
			k.region = cmp.Or(k.region, arn.Region)
		}
	}
	if cfg.Region = cmp.Or(cfg.Region, k.region); cfg.Region == "" {
		return cfg, event.Because(event.ConfigBad, errors.New("no AWS Region: set AWS_REGION, or give --cluster as an ARN"))
	}
	return cfg, nil
}
