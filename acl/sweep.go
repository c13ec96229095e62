package acl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"
)

// sweep looks once at everything and mends it:
//
//	ECS ─► roster ─► live ─┐
//	Consul ─► tokens ──────┼─► attention ─► secrets, policies, … ─► World ─► Reconcile ─► Plan ─► apply
//	absences ─► ended ─────┘
//
// A sweep that finds nothing to attend to ends after the tokens. It returns
// what failed, joined; what could be done was done.
func (c *Controller) sweep(ctx context.Context, st *state) error {
	began := time.Now()
	auditing := !began.Before(st.nextAudit)
	if auditing {
		st.roster.reconsider()
	}
	listed := c.list(ctx, &st.roster)
	if listed != nil {
		listed = &lookError{"ECS", "list the tasks", listed}
	}
	w := World{Naming: c.naming, Now: time.Now(), RotateAfter: c.cfg.RotateAfter, MakeSecrets: c.cfg.CreateSecrets, Live: st.roster.live}
	if err := c.ensurePartition(ctx, st); err != nil {
		return errors.Join(listed, err)
	}
	err := c.call(ctx, "consul:ListTokens", func(ctx context.Context) (err error) {
		w.Tokens, err = c.consul.Tokens(ctx)
		return err
	})
	if err != nil {
		st.partitioned = false // it may be why
		return errors.Join(listed, &lookError{"Consul", "list the tokens", err})
	}
	if listed == nil {
		c.answered(st)
	}
	if auditing && listed == nil {
		st.begin(w.Now, c.cfg.AuditInterval)
		if c.cfg.ClientSecret == "" {
			c.log.Debug("no secret of the client agents is named, so their token is not looked after")
		}
	}
	v := newView(w)
	if listed == nil {
		w.Ended = st.absences.observe(w.Now, c.cfg.DeletionGrace, having(v, st.leftover), w.Live)
		v.Ended = w.Ended
		c.forget(st, v)
	}
	c.nameUnserved(v)
	c.gauge(st, v)
	a := st.pick(v, w.Now, c.batch())
	if a.none() {
		return listed
	}
	err = c.attend(ctx, st, w, v, a)
	if err != nil && !errors.Is(err, errPartial) {
		st.audit = append(st.audit, sorted(a.audited)...) // they were not looked at
	}
	return errors.Join(listed, err)
}

// having are the services that have something of ours, and may.
func having(v *view, leftover map[Service]bool) map[Service]bool {
	have := map[Service]bool{}
	for s := range v.own {
		have[s] = true
	}
	for s := range leftover {
		have[s] = true
	}
	maps.DeleteFunc(have, func(s Service, _ bool) bool { return v.Naming.refuses(s) != "" })
	return have
}

// nameUnserved names the tokens that an earlier controller made for services
// whose name is not served. They are left alone: tasks may use them.
func (c *Controller) nameUnserved(v *view) {
	for s, own := range v.own {
		if why := v.Naming.refuses(s); why != "" {
			reason := fmt.Sprintf("token %s is left alone: %s; delete it in Consul when no task uses it", own[0].AccessorID, why)
			c.say.found(s.String(), []Finding{{Subject: s.String(), Reason: reason}})
		}
	}
}

// forget drops what is remembered of tasks, services and policies that are no
// more: neither their retries nor their findings outlive them.
func (c *Controller) forget(st *state, v *view) {
	services := map[Service]bool{}
	for _, t := range st.roster.tasks { // for a while also those that a list left out
		if t.skip == "" {
			services[t.service] = true
		}
	}
	for s := range v.own {
		services[s] = true
	}
	for s := range st.leftover {
		services[s] = true
	}
	subjects := map[string]bool{clientSubject: true, policySubject(c.naming.clientPolicy()): true,
		policySubject(crossNamespacePolicy): true, partitionSubject(c.naming.Partition): true}
	for s := range services {
		subjects[s.String()], subjects[policySubject(c.naming.policy(s))], subjects[namespaceSubject(s.Namespace)] = true, true, true
	}
	st.forget(services, subjects)
	c.say.forget(st.roster.tasks, subjects)
}

// batch is how many services an audit looks at within one sweep: so many that
// their reads take about a quarter of the interval.
func (c *Controller) batch() int {
	if c.cfg.Once {
		return int(^uint(0) >> 1)
	}
	return max(1, int(c.cfg.Rates.Read*c.cfg.Interval.Seconds()/4))
}

func (c *Controller) gauge(st *state, v *view) {
	own := 0
	for _, t := range v.own {
		own += len(t)
	}
	c.stats.update(func(s *Stats) {
		s.Tasks, s.Skipped, s.Services, s.Tokens = st.roster.count, st.roster.skipped(), len(v.Live), own
		s.Findings = c.say.open()
	})
}

// attend reads what Reconcile needs to know of what is attended to, and carries
// out what it says.
func (c *Controller) attend(ctx context.Context, st *state, w World, v *view, a attention) error {
	if a.policies {
		if err := c.readPolicies(ctx, st, &w, a); err != nil {
			return err
		}
	}
	unread, err := c.readSecrets(ctx, &w, a)
	if err != nil {
		return err
	}
	c.readReports(ctx, &w, v, a)
	plan := Reconcile(w)
	st.auditor = false
	if c.cfg.DryRun {
		return errors.Join(c.print(plan), c.settle(st, w, a, plan, nil, unread))
	}
	done := c.apply(ctx, plan)
	return c.settle(st, w, a, plan, done, unread)
}

// settle remembers how the look at each subject went, and names what is wrong.
func (c *Controller) settle(st *state, w World, a attention, plan Plan, done []outcome, unread map[string]error) error {
	bad := map[string][]Finding{}
	for _, f := range plan.Findings {
		bad[f.Subject] = append(bad[f.Subject], f)
	}
	errs, failed := []error{}, map[string]bool{}
	for subject, err := range unread {
		bad[subject] = append(bad[subject], Finding{Subject: subject, Reason: err.Error(), Failure: true})
	}
	for _, o := range done {
		if o.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.chain.For, o.err))
			failed[o.chain.For] = true
		}
	}
	subjects := map[string]bool{}
	for s := range a.services {
		subjects[s.String()] = true
		st.accessors[s] = w.Secrets[s].Creds.AccessorID
	}
	if a.client {
		subjects[clientSubject] = true
		st.client = ""
		if w.Client != nil {
			st.client = w.Client.Creds.AccessorID
		}
	}
	for s := range a.audited {
		subjects[policySubject(w.Naming.policy(s))] = true
	}
	c.remember(st, done)
	for _, f := range plan.Findings { // such as the agents' policy
		subjects[f.Subject] = true
	}
	for subject := range subjects {
		c.say.found(subject, bad[subject])
		failure := failed[subject]
		for _, f := range bad[subject] {
			failure = failure || f.Failure
		}
		if failure {
			st.failed(subject, w.Now, c.cfg.Interval)
		} else {
			st.succeeded(subject)
		}
	}
	c.stats.update(func(s *Stats) { s.Findings = c.say.open() })
	if c.cfg.Once && len(unread) > 0 {
		errs = append(errs, fmt.Errorf("%d secrets could not be read", len(unread)))
	}
	for _, f := range plan.Findings {
		if c.cfg.Once && f.Failure {
			errs = append(errs, fmt.Errorf("%s: %s", f.Subject, f.Reason))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%d %w: %w", len(errs), errPartial, errors.Join(errs...))
}

// remember takes the IDs that chains have written, and forgets services of
// which nothing is left.
func (c *Controller) remember(st *state, done []outcome) {
	for _, o := range done {
		switch {
		case o.chain.For == clientSubject && !o.creds.zero():
			st.client = o.creds.AccessorID
		case o.chain.Service != Service{} && !o.creds.zero():
			st.accessors[o.chain.Service] = o.creds.AccessorID
		}
		if o.err == nil && len(st.roster.live[o.chain.Service]) == 0 {
			delete(st.accessors, o.chain.Service)
			delete(st.leftover, o.chain.Service)
		}
	}
}

func (c *Controller) print(p Plan) error {
	for _, ch := range append(p.Common, p.Chains...) {
		for _, op := range ch.Ops {
			if _, err := io.WriteString(c.cfg.Out, ch.For+": "+op.String()+"\n"); err != nil {
				return fmt.Errorf("print the operations: %w", err)
			}
		}
	}
	return nil
}
