package acl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Controller keeps the ACL tokens of one ECS cluster's mesh tasks. It is used by
// one Run at a time; Stats may be called whenever.
type Controller struct {
	cfg     Config
	log     hclog.Logger
	naming  Naming
	tasks   Tasks
	secrets Secrets
	consul  Consul
	lock    Lock

	waiting    func(what, lastError, hint string)
	stats      *counters
	say        *voice
	ecsLimit   *limiter
	readLimit  *limiter
	writeLimit *limiter

	mu        sync.Mutex
	conflicts map[string]int // writes lost to another writer, by secret and version
}

// New makes a controller; it calls nobody yet. lock may be nil: then there is
// no other controller. The error holds everything that is wrong with cfg.
func New(cfg Config, tasks Tasks, secrets Secrets, consul Consul, lock Lock) (*Controller, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, fmt.Errorf("acl-controller: %w", err)
	}
	return &Controller{cfg: cfg, log: cfg.Log, tasks: tasks, secrets: secrets, consul: consul, lock: lock,
		naming:  Naming{Prefix: cfg.SecretPrefix, Cluster: newCluster(cfg.Cluster), Partition: cfg.Partition, Reserved: cfg.reserved()},
		waiting: cfg.waiting(), stats: newCounters(), say: newVoice(cfg.Log), conflicts: map[string]int{},
		ecsLimit:   newLimiter(cfg.Rates.ECS, cfg.Rates.ECSBurst),
		readLimit:  newLimiter(cfg.Rates.Read, int(cfg.Rates.Read)+1),
		writeLimit: newLimiter(cfg.Rates.Write, int(cfg.Rates.Write)+1)}, nil
}

// Stats are the controller's counters so far.
func (c *Controller) Stats() Stats { return c.stats.snapshot() }

// Run keeps the tokens until ctx ends, and then returns nil within 5 s, not
// between a secret and its token. While Consul or AWS do not answer, or refuse,
// it goes on trying and says why. With Config.Once it returns after one sweep,
// with what failed.
func (c *Controller) Run(ctx context.Context) error {
	if c.lock == nil {
		return c.lead(ctx)
	}
	return c.lock.Hold(ctx, c.lead)
}

// lead is Run while no other controller works.
func (c *Controller) lead(ctx context.Context) error {
	c.stats.update(func(s *Stats) { s.Leading, s.LeadingSince = true, time.Now() })
	defer c.stats.update(func(s *Stats) { s.Leading = false })
	c.waiting("ECS and Consul", "", consulHint+"; "+ecsHint) // until both have answered
	defer c.waiting("", "", "")
	st := newState()
	for failures := 0; ; {
		began := time.Now()
		err := c.sweep(ctx, st)
		if ctx.Err() != nil && !c.cfg.Once {
			return nil
		}
		c.stats.update(func(s *Stats) {
			s.Sweeps++
			s.SweepTime = time.Since(began)
			if err != nil {
				s.Failed++
			} else {
				s.LastSuccess = time.Now()
			}
		})
		if c.cfg.Once {
			return err
		}
		if err == nil || errors.Is(err, errPartial) {
			c.waiting("", "", "")
		}
		next := max(c.cfg.Interval-time.Since(began), c.cfg.Interval/10)
		switch {
		case errors.Is(err, errPartial):
			failures = 0
			c.log.Warn("sweep left something undone", "error", err)
		case err != nil:
			next = backoff(failures)
			failures++
			c.waitFor(err)
			c.log.Warn("sweep failed, trying again", "failures", failures, "in", next, "error", err)
		default:
			failures = 0
		}
		if pause(ctx, next) != nil {
			return nil
		}
	}
}

// answered notes that ECS and Consul do what is asked of them.
func (c *Controller) answered(st *state) {
	if !st.working {
		st.working = true
		c.waiting("", "", "")
		c.log.Info("acl controller working", "cluster", c.cfg.Cluster, "interval", c.cfg.Interval, "partition", c.cfg.Partition)
	}
}
