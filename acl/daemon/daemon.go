// Package daemon is the life of an ACL controller's process: it finds out for which
// cluster and in which Region, makes the clients, works until a signal, and answers
// /metrics and /health meanwhile.
//
//	flags, env → Config ──────┐
//	task metadata → cluster ──┼─► acl.Controller ◄─ ECS, Secrets Manager, Consul
//	AWS settings → Region ────┘         └─► log, /metrics, exit code
//
// It does not know flags or the environment, but the AWS SDK does (internal/awssdk), and
// nothing of what the controller decides.
package daemon

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
	"github.com/oklog/run"

	"meshtask/acl"
	"meshtask/internal/event"
	"meshtask/internal/httplimit"
	"meshtask/internal/relay"
	"meshtask/internal/waits"
)

// Config is what a controller's process is told.
type Config struct {
	ACL      acl.Config       // Cluster empty: the own task's; Report is the Daemon's own
	Consul   acl.Server       // to ask
	Metadata string           // address of the task metadata endpoint; empty: there is none
	Region   string           // that the AWS SDK is told by its variables; empty: maybe none
	Signals  <-chan os.Signal // every signal; TERM, INT and QUIT end it
}

// Daemon is one run of the controller.
type Daemon struct {
	cfg    Config
	log    hclog.Logger
	consul *api.Client

	region  string          // from an ARN; empty: the SDK knows
	unit    *acl.Controller // once ready
	metrics http.Handler
}

// New reads what needs nobody else. The error holds everything that is wrong with it.
func New(c Config) (*Daemon, error) {
	var errs []error
	consul, warning, err := c.Consul.Client()
	if err != nil {
		errs = append(errs, err)
	}
	if warning != "" {
		c.ACL.Log.Warn(warning)
	}
	if c.ACL.Cluster == "" && c.Metadata == "" {
		errs = append(errs, errors.New("--cluster: required outside of an ECS task (ECS_CONTAINER_METADATA_URI_V4 is not set)"))
	}
	errs = append(errs, c.ACL.CheckMode())
	return &Daemon{cfg: c, log: c.ACL.Log, consul: consul}, errors.Join(errs...)
}

// Run works until a signal, ctx, or the end of its work, and answers /metrics and /health on
// listen, which the caller closes; nil: nobody asks. code is the exit code; err is why it was
// given up, nil for every other end.
func (d *Daemon) Run(ctx context.Context, listen net.Listener) (code int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = d.group(ctx, cancel, listen)
	if sig, ok := errors.AsType[*relay.Stopped](context.Cause(ctx)); ok {
		d.log.Info("acl controller stopped", "cause", sig.Error())
		if d.cfg.ACL.Once {
			return 1, nil
		}
		return 0, nil
	}
	if c := event.CauseOf(err); c != nil {
		return c.Code.Exit(), err
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// group runs the controller beside the signal relay and the HTTP server. Only
// the controller returns by itself.
func (d *Daemon) group(ctx context.Context, cancel context.CancelCauseFunc, listen net.Listener) error {
	var g run.Group
	var err error
	ready := make(chan struct{}) // closed by live, once d.unit stands
	g.Add(func() error { err = d.live(ctx, ready); return nil }, func(error) { cancel(nil) })
	done := make(chan struct{})
	signals := relay.Relay{Signals: d.cfg.Signals, Forward: func(syscall.Signal) {},
		Stops: func(s syscall.Signal) bool {
			return slices.Contains([]syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT}, s)
		},
		Stop:  func(s syscall.Signal) { cancel(&relay.Stopped{Signal: s}) },
		Again: func(int, syscall.Signal) {}, // it ends within 5 s anyway
	}
	g.Add(func() error { signals.Run(done); return nil }, func(error) { close(done) })
	if listen != nil {
		server := d.server(ready)
		limited := httplimit.Limit(listen, httplimit.Connections())
		g.Add(func() error { return server.Serve(limited) }, func(error) { _ = server.Close() })
	}
	if groupErr := g.Run(); err == nil && groupErr != nil {
		return groupErr
	}
	return err
}

// live finds out for which cluster, and works until ctx ends.
func (d *Daemon) live(ctx context.Context, ready chan<- struct{}) error {
	if err := d.identify(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	aws, err := d.aws(ctx)
	if err != nil {
		return err
	}
	named := d.waits()
	defer named.Close()
	cfg := d.cfg.ACL
	cfg.Report = named.Of(unitName)
	d.unit, err = acl.New(cfg, aws, d.consul)
	if err != nil {
		return event.Because(event.ConfigBad, err)
	}
	d.metrics = d.unit.Metrics()
	close(ready)
	return d.unit.Run(ctx)
}

const unitName = "acl-controller"

// waits has what the controller waits for in its log.
func (d *Daemon) waits() *waits.Waits {
	return waits.New(func(unit string, w event.Waiting) {
		d.log.Info("waiting", "unit", unit, "for", w.What, "since", w.Since, "error", w.Err, "hint", w.Fix)
	})
}
