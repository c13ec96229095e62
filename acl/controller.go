package acl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
	"meshtask/internal/event"
)

// Controller keeps the ACL tokens of one ECS cluster's mesh tasks and, of those without a client
// agent, what is in the catalog. It is used by
// one Run at a time; Health and Metrics may be called whenever.
type Controller struct {
	deps
	cfg      Config
	log      hclog.Logger
	naming   reconcile.Naming
	stats    *counters
	findings *findings
	ecsCalls *limiter
	reads    *limiter // of secrets, policies and instances
	exec     *executor
}

// New makes a controller that asks AWS and the Consul server of client; it calls
// nobody yet. The error holds everything that is wrong with cfg.
func New(cfg Config, aws aws.Config, client *api.Client) (*Controller, error) {
	consul := consulACL{client, cfg.Partition}
	d := deps{ecs: newECSTasks(aws), secrets: newSMSecrets(aws), tokens: consul, policies: consul, rules: consul,
		partitions: consul, namespaces: consul, reports: consul, logins: consul, catalog: consul}
	if cfg.HA && !cfg.DryRun {
		d.leader = newConsulLock(client, cfg)
	}
	return newController(cfg, d)
}

func newController(cfg Config, d deps) (*Controller, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, fmt.Errorf("acl-controller: %w", err)
	}
	cluster := reconcile.NewCluster(cfg.Cluster)
	if cluster.ARN == "" {
		cluster.ARN = cfg.ClusterARN
	}
	stats := newCounters()
	reads := newLimiter(cfg.Rates.Read, int(cfg.Rates.Read)+1)
	return &Controller{
		deps: d, cfg: cfg, log: cfg.Log, stats: stats, findings: newFindings(cfg.Log), reads: reads,
		naming:   reconcile.Naming{Mode: cfg.Mode, Prefix: cfg.SecretPrefix, Cluster: cluster, Partition: cfg.Partition, Reserved: cfg.reserved(), RolePath: cfg.RolePath},
		ecsCalls: newLimiter(cfg.Rates.ECS, cfg.Rates.ECSBurst),
		exec: &executor{deps: d, stats: stats, log: cfg.Log, reads: reads, conflicts: map[string]int{},
			write: newLimiter(cfg.Rates.Write, int(cfg.Rates.Write)+1)},
	}, nil
}

// Run keeps the tokens until ctx ends, and then returns nil within 5 s, not
// between a secret and its token. While Consul or AWS do not answer, or refuse,
// it goes on trying and says why. With Config.Once it returns after one sweep,
// with what failed.
func (c *Controller) Run(ctx context.Context) error {
	if c.leader == nil {
		return c.lead(ctx)
	}
	return c.leader.Hold(ctx, c.lead)
}

// lead is Run while no other controller works.
func (c *Controller) lead(ctx context.Context) error {
	c.stats.update(func(s *stats) { s.leading, s.leadingSince = true, time.Now() })
	defer c.stats.update(func(s *stats) { s.leading = false })
	c.cfg.Report(event.Waiting{What: "ECS and Consul", Fix: consulHint + "; " + ecsHint}) // until both have answered
	defer c.cfg.Report(event.WaitOver{})
	mem, tries, failures := newMemory(), newBackOff(), 0
	for {
		began := time.Now()
		err := c.sweep(ctx, mem)
		if ctx.Err() != nil && !c.cfg.Once {
			return nil
		}
		c.count(began, err)
		if c.cfg.Once {
			return err
		}
		next := max(c.cfg.Interval-time.Since(began), c.cfg.Interval/10)
		if err == nil || errors.Is(err, errPartial) {
			c.cfg.Report(event.WaitOver{})
			tries.Reset()
			failures = 0
		} else {
			next = tries.NextBackOff()
			failures++
			c.waitFor(err)
			c.log.Warn("sweep failed, trying again", "failures", failures, "in", next.Round(time.Millisecond), "error", err)
		}
		if errors.Is(err, errPartial) {
			c.log.Warn("sweep left something undone", "error", err)
		}
		if pause(ctx, next) != nil {
			return nil
		}
	}
}

// count counts a sweep that has ended.
func (c *Controller) count(began time.Time, err error) {
	c.stats.update(func(s *stats) {
		s.sweeps++
		s.sweepTime = time.Since(began)
		if err != nil {
			s.failed++
		} else {
			s.lastSuccess = time.Now()
		}
	})
}
