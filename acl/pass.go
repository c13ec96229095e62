package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"meshtask/acl/reconcile"
)

// pass is the part of a sweep that looks closely at what is or may be wrong: it
// reads what Decide needs to know, carries out what it says, and remembers how
// that went.
type pass struct {
	*Controller
	mem   *memory
	world reconcile.World
	view  *reconcile.View
	look  reconcile.Look

	plan   reconcile.Plan
	unread map[string]error // secrets that could not be read, by subject
	done   []outcome
}

func (p *pass) run(ctx context.Context) error {
	if err := p.readPolicies(ctx); err != nil {
		return err
	}
	if err := p.readSecrets(ctx); err != nil {
		return err
	}
	if err := p.readLogins(ctx); err != nil {
		return err
	}
	p.readReports(ctx)
	p.plan = reconcile.Decide(p.world)
	p.mem.auditShared = false
	if p.cfg.DryRun {
		return errors.Join(p.print(p.plan), p.conclude())
	}
	p.done = p.exec.run(ctx, p.plan)
	return p.conclude()
}

// conclude remembers how the look at each subject went, and names what is wrong.
func (p *pass) conclude() error {
	found, failed, errs := p.collect()
	p.mem.remember(p.done)
	if p.look.Gateways {
		p.mem.linked = linked(p.view)
	}
	for subject := range p.subjects() {
		p.findings.replace(subject, found[subject])
		failure := failed[subject]
		for _, f := range found[subject] {
			failure = failure || f.Failure
		}
		if failure {
			p.mem.failed(subject, p.world.Now, p.cfg.Interval)
		} else {
			p.mem.succeeded(subject)
		}
	}
	p.stats.update(func(s *stats) { s.findings = p.findings.count() })
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%d %w: %w", len(errs), errPartial, errors.Join(errs...))
}

// collect gives what was found by subject, the subjects whose chain failed, and the
// sweep's errors: with Once also what was found.
func (p *pass) collect() (found map[string][]reconcile.Finding, failed map[string]bool, errs []error) {
	found, failed = map[string][]reconcile.Finding{}, map[string]bool{}
	for _, o := range p.done {
		if o.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.chain.For, o.err))
			failed[o.chain.For] = true
		}
	}
	for _, f := range p.plan.Findings {
		found[f.Subject] = append(found[f.Subject], f)
	}
	for subject, err := range p.unread {
		found[subject] = append(found[subject], reconcile.Finding{Subject: subject, Reason: err.Error(), Failure: true})
	}
	if p.cfg.Once && len(p.unread) > 0 {
		errs = append(errs, fmt.Errorf("%d secrets could not be read", len(p.unread)))
	}
	for _, f := range p.plan.Findings {
		if p.cfg.Once && f.Failure {
			errs = append(errs, fmt.Errorf("%s: %s", f.Subject, f.Reason))
		}
	}
	return found, failed, errs
}

// subjects are those that were looked at: what stands about them is what was found now.
func (p *pass) subjects() map[string]bool {
	subjects := map[string]bool{}
	for s := range p.look.Services {
		subjects[s.String()] = true
	}
	for s := range p.look.Audited {
		subjects[reconcile.PolicySubject(p.naming.Policy(s))] = true
	}
	if p.look.Client {
		subjects[reconcile.ClientSubject] = true
	}
	if p.look.Logins {
		subjects[reconcile.LoginSubject] = true
	}
	if p.look.Gateways {
		subjects[reconcile.GatewaySubject] = true
	}
	for _, n := range p.world.Catalog.Nodes {
		subjects[reconcile.NodeSubject(n.Name)] = true
	}
	for _, f := range p.plan.Findings { // such as the agents' policy
		subjects[f.Subject] = true
	}
	return subjects
}

// readSecrets reads the secrets that are looked at. A secret that cannot be read is a
// finding; an error is no matter of one secret.
func (p *pass) readSecrets(ctx context.Context) error {
	p.world.Secrets, p.unread = map[reconcile.Service]reconcile.Secret{}, map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, workers) // as many reads at once
	read := func(subject, name string, keep func(reconcile.Secret)) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			sec, err := p.exec.readSecret(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				p.unread[subject] = fmt.Errorf("cannot read secret %s: %w", name, err)
				return
			}
			keep(sec)
		})
	}
	for s := range p.look.Services {
		read(s.String(), p.naming.Secret(s), func(sec reconcile.Secret) { p.world.Secrets[s] = sec })
	}
	if p.look.Client && p.cfg.ClientSecret != "" {
		read(reconcile.ClientSubject, p.cfg.ClientSecret, func(sec reconcile.Secret) { p.world.Client = &sec })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for s := range p.look.Services {
		p.mem.accessors[s] = p.world.Secrets[s].Creds.AccessorID
	}
	if p.look.Client {
		p.mem.client = ""
		if p.world.Client != nil {
			p.mem.client = p.world.Client.Creds.AccessorID
		}
	}
	return nil
}

// readPolicies lists policies and namespaces, and reads the rules of those
// policies that are compared and that changed since the last time.
func (p *pass) readPolicies(ctx context.Context) error {
	if p.mem.noACLs {
		return nil
	}
	w := &p.world
	err := p.stats.call(ctx, "consul:ListPolicies", func(ctx context.Context) (err error) {
		w.Policies, err = p.policies.Policies(ctx)
		return err
	})
	if err != nil {
		return &lookError{"Consul", "list the policies", err}
	}
	if p.naming.Partition != "" {
		err = p.stats.call(ctx, "consul:ListNamespaces", func(ctx context.Context) (err error) {
			w.Namespaces, err = p.namespaces.Namespaces(ctx)
			return err
		})
		if err != nil {
			return &lookError{"Consul", "list the namespaces", err}
		}
	}
	if p.look.Shared {
		p.mem.withPolicy = map[reconcile.Service]bool{}
	}
	compared, exist := p.naming.NeedsRules(p.look), map[string]bool{}
	for i, policy := range w.Policies {
		exist[policy.ID] = true
		if s, ok := p.naming.PolicyOwner(policy); ok && p.look.Shared {
			p.mem.withPolicy[s] = true
		}
		if compared(policy) {
			w.Policies[i].Rules = p.rulesOf(ctx, policy)
		}
	}
	maps.DeleteFunc(p.mem.rules, func(id string, _ reconcile.Policy) bool { return !exist[id] })
	return nil
}

// rulesOf are a policy's rules, or "" when they cannot be read; that is no reason
// to stop, since they are only compared.
func (p *pass) rulesOf(ctx context.Context, policy reconcile.Policy) string {
	if known, ok := p.mem.rules[policy.ID]; ok && known.Hash == policy.Hash {
		return known.Rules
	}
	if p.reads.wait(ctx) != nil {
		return ""
	}
	err := p.stats.call(ctx, "consul:ReadPolicy", func(ctx context.Context) (err error) {
		policy.Rules, err = p.rules.PolicyRules(ctx, policy.ID)
		return err
	})
	if err != nil {
		return ""
	}
	p.mem.rules[policy.ID] = policy
	return policy.Rules
}

// readLogins reads what tasks log in by, when that is looked at.
func (p *pass) readLogins(ctx context.Context) error {
	if !p.look.Logins {
		return nil
	}
	err := p.stats.call(ctx, "consul:ReadLogins", func(ctx context.Context) error {
		logins, err := p.logins.Logins(ctx, p.world.Naming.LoginRoles(p.world.Terminating))
		p.world.Logins = &logins
		return err
	})
	if err != nil {
		return &lookError{"Consul", "read the auth methods", err}
	}
	return nil
}

// readReports asks, for audited services that have more than one token, which
// of them each task uses, and for all services while the client agents have one that was
// replaced. A task that cannot be asked has not reported.
func (p *pass) readReports(ctx context.Context) {
	p.world.Reports = map[reconcile.Service][]reconcile.Report{}
	ask := map[reconcile.Service]bool{}
	for s := range p.look.Audited {
		ask[s] = len(p.view.Own()[s]) > 1
	}
	if p.look.Client && p.world.Client != nil && p.view.Replaced() {
		for s := range p.world.Live {
			ask[s] = true
		}
	}
	for s, asked := range ask {
		if !asked || p.reads.wait(ctx) != nil {
			continue
		}
		err := p.stats.call(ctx, "consul:ListInstances", func(ctx context.Context) error {
			reports, err := p.reports.Reports(ctx, s)
			p.world.Reports[s] = reports
			return err
		})
		if err != nil {
			p.world.Reports[s] = nil
		}
	}
}
