package acl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"meshtask/acl/reconcile"
	"meshtask/internal/event"
)

// sweep looks once at everything and puts it right:
//
//	Consul ─► catalog (agentless only, and before the tasks)
//	ECS ─► tasks ─► live ──┐
//	Consul ─► tokens ──────┼─► what to look at ─► secrets, policies, … ─► Decide ─► execute
//	absences ─► ended ─────┘
//
// A sweep that finds nothing to look at ends after the tokens. It returns what
// failed, joined; what could be done was done.
func (c *Controller) sweep(ctx context.Context, m *memory) error {
	begun := time.Now()
	between := c.cfg.Interval
	if !m.begun.IsZero() {
		between = max(between, begun.Sub(m.begun))
	}
	m.begun = begun
	auditing := !begun.Before(m.nextAudit)
	if auditing {
		m.tasks.forgetSkipped()
	}
	catalog, unread := c.readCatalog(ctx)
	if err := c.listTasks(ctx, &m.tasks); err != nil {
		unread = errors.Join(unread, &lookError{"ECS", "list the tasks", err})
	}
	w := reconcile.World{Naming: c.naming, Now: time.Now(), RotateAfter: c.cfg.RotateAfter, MakeSecrets: c.cfg.CreateSecrets, Live: m.tasks.live, Unserved: m.tasks.unserved(), Kinds: m.tasks.kinds}
	if c.cfg.SecretPrefix == "" {
		w.Live, w.RotateAfter, w.Unserved = nil, 0, m.tasks.ids() // all tasks log in; tokens by secrets are left alone
	}
	w.Naming.Gateways = c.cfg.Mode != reconcile.WithAgents || len(w.Kinds) > 0
	if err := c.listTokens(ctx, m, &w); err != nil {
		return errors.Join(unread, err)
	}
	if m.noACLs {
		w.Live = nil
	}
	if unread == nil {
		unread = c.examine(ctx, m, catalog, w.Tokens)
	}
	if unread == nil {
		unread = c.readGateways(ctx, m, &w)
	}
	v := reconcile.See(w)
	if unread == nil {
		c.answered(m)
		if auditing {
			m.begin(w.Now, c.cfg.AuditInterval)
		}
		c.observe(m, v, catalog)
	}
	if c.cfg.SecretPrefix != "" {
		c.nameUnserved(v)
	}
	c.gauge(m, v)
	p := pass{Controller: c, mem: m, world: v.World, view: v, look: m.next(v, w.Now, c.batch(between))}
	if p.look.Empty() {
		return unread
	}
	err := p.run(ctx)
	if err != nil && !errors.Is(err, errPartial) {
		m.audit = append(m.audit, reconcile.Sorted(p.look.Audited)...) // they were not looked at
	}
	return errors.Join(unread, err)
}

// observe takes in what a complete sweep has seen: what has ended, and what the catalog still has.
func (c *Controller) observe(m *memory, v *reconcile.View, catalog *catalogView) {
	v.Catalog = catalog.Catalog
	v.Ended = m.absences.observe(v.Now, c.cfg.DeletionGrace, c.served(v, m.withPolicy), func(s reconcile.Service) bool { return len(v.Live[s]) > 0 })
	v.GoneTasks = c.gone(m, v.World, catalog)
	v.Hold()
	c.forgetGone(m, v)
}

// listTokens lists the tokens of our partition, which is made where it is missing. Where tasks have no
// agent, a Consul without ACLs has work for a controller all the same.
func (c *Controller) listTokens(ctx context.Context, m *memory, w *reconcile.World) error {
	if m.noACLs = !c.cfg.withACLs(); m.noACLs {
		return nil
	}
	if err := c.ensurePartition(ctx, m); err != nil {
		return err
	}
	err := c.stats.call(ctx, "consul:ListTokens", func(ctx context.Context) (err error) {
		w.Tokens, err = c.tokens.Tokens(ctx)
		return err
	})
	if c.cfg.Mode != reconcile.WithAgents && disabledACLs(err) {
		m.noACLs = true
		return nil
	}
	if err != nil {
		m.partitioned = false // it may be why
		return &lookError{"Consul", "list the tokens", err}
	}
	return nil
}

// answered notes that ECS and Consul do what is asked of them.
func (c *Controller) answered(m *memory) {
	if !m.working {
		m.working = true
		c.cfg.Report(event.WaitOver{})
		c.log.Info("acl controller working", "cluster", c.cfg.Cluster, "interval", c.cfg.Interval, "partition", c.cfg.Partition)
		if m.noACLs {
			c.log.Info("no tokens are looked after: neither their secrets nor the tasks' roles are named, or Consul has no ACLs")
		}
		if c.cfg.ClientSecret == "" {
			c.log.Debug("no secret of the client agents is named, so their token is not looked after")
		}
	}
}

// served are the services that have something of ours, and whose names are served.
func (c *Controller) served(v *reconcile.View, withPolicy map[reconcile.Service]bool) map[reconcile.Service]bool {
	if c.cfg.SecretPrefix == "" {
		return nil
	}
	have := maps.Clone(withPolicy)
	for s := range v.Own() {
		have[s] = true
	}
	maps.DeleteFunc(have, func(s reconcile.Service, _ bool) bool { return c.naming.Refuses(s) != "" })
	return have
}

// gone are the tasks that have tokens of logins, and have not been there for the grace. Those that
// are stopping are there still, where somebody asked.
func (c *Controller) gone(m *memory, w reconcile.World, catalog *catalogView) map[string]bool {
	if c.naming.RolePath == "" {
		return nil
	}
	have := map[string]bool{}
	for _, t := range w.Tokens {
		if task := c.naming.LoginTask(t); task != "" {
			have[task] = true
		}
	}
	there := make(map[string]bool, len(m.tasks.listed))
	for _, arn := range m.tasks.listed {
		there[reconcile.TaskID(arn)] = true
	}
	for arn := range catalog.asked {
		there[reconcile.TaskID(arn)] = there[reconcile.TaskID(arn)] || !catalog.stopped[arn]
	}
	return m.logins.observe(w.Now, c.cfg.DeletionGrace, have, func(task string) bool { return there[task] })
}

// nameUnserved names the tokens that an earlier controller made for services
// whose name is not served. They are left alone: tasks may use them.
func (c *Controller) nameUnserved(v *reconcile.View) {
	for s, own := range v.Own() {
		if why := c.naming.Refuses(s); why != "" {
			reason := fmt.Sprintf("token %s is left alone: %s; delete it in Consul when no task uses it", own[0].AccessorID, why)
			c.findings.replace(s.String(), []reconcile.Finding{{Subject: s.String(), Reason: reason}})
		}
	}
}

// forgetGone drops what is remembered of tasks, services and policies that are no
// more: neither their retries nor their findings outlive them.
func (c *Controller) forgetGone(m *memory, v *reconcile.View) {
	services := maps.Clone(m.withPolicy)
	for _, t := range m.tasks.known { // for a while also those that a list left out
		if t.skip == "" {
			services[t.service] = true
		}
	}
	for s := range v.Own() {
		services[s] = true
	}
	subjects := c.naming.Subjects(services)
	m.keep(services, subjects)
	c.findings.keep(m.tasks.known, subjects)
}

// batch is how many services an audit looks at within one sweep: so many that their reads
// take about a quarter of the time from one sweep to the next. Where the lists of ECS take
// longer than the interval, that is what they take: an audit would else last the longer, the
// more tasks there are beside the more services.
func (c *Controller) batch(between time.Duration) int {
	if c.cfg.Once {
		return int(^uint(0) >> 1)
	}
	return max(1, int(c.cfg.Rates.Read*between.Seconds()/4))
}

func (c *Controller) gauge(m *memory, v *reconcile.View) {
	own := 0
	for _, t := range v.Own() {
		own += len(t)
	}
	c.stats.update(func(s *stats) {
		s.tasks, s.skipped, s.services, s.tokens = len(m.tasks.listed), m.tasks.skipped(), len(v.Live), own
		s.findings = c.findings.count()
	})
}

func (c *Controller) print(p reconcile.Plan) error {
	for _, ch := range append(p.Common, p.Chains...) {
		for _, op := range ch.Ops {
			if _, err := io.WriteString(c.cfg.Out, ch.For+": "+op.String()+"\n"); err != nil {
				return fmt.Errorf("print the operations: %w", err)
			}
		}
	}
	return nil
}
