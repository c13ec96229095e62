package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/acl/reconcile"
)

// workers is how many chains are carried out at once; one takes about four
// calls, so a new cluster of 1 000 services is bound by the rate of secret
// writes and not by latency.
const workers = 8

// finishWithin is how long a chain that has begun may go on after the
// controller was asked to stop (which takes 5 s at most): a secret that is
// filled should find its token.
const finishWithin = 4 * time.Second

// executor carries out plans.
type executor struct {
	deps
	stats *counters
	log   hclog.Logger
	reads *limiter
	write *limiter // of secrets

	mu        sync.Mutex
	conflicts map[string]int // writes lost to another writer, by secret and version
}

// outcome is how a chain ended.
type outcome struct {
	chain reconcile.Chain
	creds reconcile.Creds // that the secret holds now, when the chain wrote it
	made  policyIDs       // policies that it made
	err   error
}

// policyIDs are the IDs of the policies that a plan has made so far, by name.
type policyIDs map[string]string

// link gives the links to these policies their IDs.
func (m policyIDs) link(links []reconcile.Link) ([]reconcile.Link, error) {
	links = slices.Clone(links)
	for i, l := range links {
		if l.ID == "" {
			links[i].ID = m[l.Name]
		}
		if links[i].ID == "" {
			return nil, fmt.Errorf("policy %s was not made", l.Name)
		}
	}
	return links, nil
}

// run carries out a plan. Chains that have not begun when ctx ends do not; those
// that have, finish.
func (e *executor) run(ctx context.Context, p reconcile.Plan) []outcome {
	var out []outcome
	shared := policyIDs{}
	for _, ch := range p.Common {
		if ctx.Err() != nil {
			return out
		}
		o := e.chain(ctx, ch, nil)
		maps.Copy(shared, o.made)
		out = append(out, o)
	}
	work := make(chan reconcile.Chain)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(workers, len(p.Chains)) {
		wg.Go(func() {
			for ch := range work {
				o := e.chain(ctx, ch, shared)
				mu.Lock()
				out = append(out, o)
				mu.Unlock()
			}
		})
	}
	for _, ch := range p.Chains {
		select {
		case work <- ch:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	wg.Wait()
	return out
}

// chain carries out one chain; shared are the policies that the plan has made before.
func (e *executor) chain(ctx context.Context, ch reconcile.Chain, shared policyIDs) outcome {
	ctx, release := finishing(ctx)
	defer release()
	o := outcome{chain: ch, made: policyIDs{}}
	maps.Copy(o.made, shared)
	for i, op := range ch.Ops {
		if i > 0 && ch.Ops[i-1].Kind == reconcile.CreateSecret {
			if op.Replaces, o.err = e.createdVersion(ctx, op.Secret); o.err != nil {
				return o
			}
		}
		if o.err = e.do(ctx, op, &o); o.err != nil {
			o.err = fmt.Errorf("%s: %w", op, o.err)
			return o
		}
		e.stats.update(func(s *stats) { s.operations[op.Kind.String()]++ })
		e.log.Info(op.Kind.String(), "for", ch.For, "object", op.Object(o.creds))
	}
	return o
}

// createdVersion is the version of a secret that was just created. Another controller
// may have created it, and filled it already; then the next look goes on.
func (e *executor) createdVersion(ctx context.Context, name string) (string, error) {
	sec, err := e.readSecret(ctx, name)
	if err == nil && (sec.Missing || sec.Bad != "" || !sec.Creds.Zero()) {
		err = errConflict
	}
	if err != nil {
		return "", fmt.Errorf("secret %s, just created: %w", name, err)
	}
	return sec.Version, nil
}

// finishing is a context that outlives ctx by finishWithin.
func finishing(ctx context.Context) (context.Context, func()) {
	on, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if pause(on, finishWithin) == nil {
			cancel(fmt.Errorf("not finished %v after the stop", finishWithin))
		}
	})
	return on, func() { stop(); cancel(nil) }
}

// do carries out one operation of a chain. What it made goes into so: the IDs that
// it wrote into the secret, which the token that follows gets, and policies.
func (e *executor) do(ctx context.Context, op reconcile.Op, so *outcome) error {
	call := func(api string, f func(context.Context) error) error { return e.stats.call(ctx, api, f) }
	switch op.Kind {
	case reconcile.CreatePartition:
		return call("consul:CreatePartition", func(ctx context.Context) error { return e.partitions.CreatePartition(ctx, op.Name) })
	case reconcile.CreateNamespace:
		return call("consul:CreateNamespace", func(ctx context.Context) error { return e.namespaces.CreateNamespace(ctx, op.Name) })
	case reconcile.CreateSecret:
		return e.writeSecret(ctx, "secretsmanager:CreateSecret", func(ctx context.Context) error { return e.secrets.CreateSecret(ctx, op.Secret) })
	case reconcile.FillSecret:
		fill := op.Creds
		if fill.Zero() {
			fill = newCreds()
		}
		err := e.putSecret(ctx, op, fill)
		if err == nil {
			so.creds = fill
		}
		return err
	case reconcile.ClearSecret:
		return e.putSecret(ctx, op, reconcile.Creds{})
	case reconcile.CreatePolicy:
		return call("consul:CreatePolicy", func(ctx context.Context) (err error) {
			so.made[op.Policy.Name], err = e.policies.CreatePolicy(ctx, op.Policy)
			return err
		})
	case reconcile.UpdatePolicy:
		return call("consul:UpdatePolicy", func(ctx context.Context) error { return e.policies.UpdatePolicy(ctx, op.Policy) })
	case reconcile.PutToken:
		return e.putToken(ctx, op.Token, so)
	case reconcile.MarkToken:
		return call("consul:DescribeToken", func(ctx context.Context) error {
			return e.tokens.DescribeToken(ctx, op.Token.AccessorID, op.Token.Description)
		})
	case reconcile.DeleteToken:
		return call("consul:DeleteToken", func(ctx context.Context) error { return e.tokens.DeleteToken(ctx, op.Token.AccessorID) })
	case reconcile.DeletePolicy:
		return call("consul:DeletePolicy", func(ctx context.Context) error { return e.policies.DeletePolicy(ctx, op.Policy.ID) })
	case reconcile.PutRole:
		role := op.Role
		var err error
		if role.Policies, err = so.made.link(role.Policies); err != nil {
			return err
		}
		return call("consul:PutRole", func(ctx context.Context) error { return e.logins.PutRole(ctx, role) })
	case reconcile.PutAuthMethod:
		return call("consul:PutAuthMethod", func(ctx context.Context) error { return e.logins.PutAuthMethod(ctx, op.Method) })
	case reconcile.CreateBindingRule:
		return call("consul:CreateBindingRule", func(ctx context.Context) error { return e.logins.CreateBindingRule(ctx, op.Rule) })
	case reconcile.PutNode:
		return call("consul:PutNode", func(ctx context.Context) error { return e.catalog.PutNode(ctx, op.Node) })
	case reconcile.DeregisterService:
		return call("consul:DeregisterService", func(ctx context.Context) error { return e.catalog.DeregisterService(ctx, op.Instance) })
	case reconcile.DeregisterNode:
		return call("consul:DeregisterNode", func(ctx context.Context) error { return e.catalog.DeregisterNode(ctx, op.Node.Name) })
	}
	return fmt.Errorf("unknown operation %d", op.Kind)
}

// putToken puts a token, with the IDs and the policies that its chain has made.
func (e *executor) putToken(ctx context.Context, t reconcile.Token, so *outcome) (err error) {
	if t.AccessorID == "" {
		t.AccessorID, t.SecretID = so.creds.AccessorID, so.creds.SecretID
	}
	if t.Policies, err = so.made.link(t.Policies); err != nil {
		return err
	}
	return e.stats.call(ctx, "consul:PutToken", func(ctx context.Context) error { return e.tokens.PutToken(ctx, t) })
}

// putSecret writes in place of the version that was read. When that fails
// because the same replacement was once made and undone, the next try differs.
func (e *executor) putSecret(ctx context.Context, op reconcile.Op, content reconcile.Creds) error {
	key := op.Secret + "\n" + op.Replaces
	e.mu.Lock()
	n := e.conflicts[key]
	e.mu.Unlock()
	replaces := op.Replaces
	if n > 0 {
		replaces = fmt.Sprintf("%s#%d", replaces, n)
	}
	err := e.writeSecret(ctx, "secretsmanager:UpdateSecret", func(ctx context.Context) error {
		_, err := e.secrets.PutSecret(ctx, op.Secret, content.JSON(), replaces)
		return err
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case errors.Is(err, errConflict):
		e.conflicts[key]++
	case err == nil:
		delete(e.conflicts, key)
	}
	return err
}

func (e *executor) writeSecret(ctx context.Context, api string, call func(context.Context) error) error {
	if err := e.write.wait(ctx); err != nil {
		return err
	}
	err := e.stats.call(ctx, api, call)
	if isThrottled(err) {
		e.write.slow()
	}
	return err
}

func (e *executor) readSecret(ctx context.Context, name string) (reconcile.Secret, error) {
	if err := e.reads.wait(ctx); err != nil {
		return reconcile.Secret{}, err
	}
	sec := reconcile.Secret{Name: name, Missing: true}
	err := e.stats.call(ctx, "secretsmanager:GetSecretValue", func(ctx context.Context) error {
		content, version, err := e.secrets.GetSecret(ctx, name)
		if err == nil {
			sec = reconcile.ParseSecret(name, version, content)
		}
		return err
	})
	if errors.Is(err, errMissing) {
		return reconcile.Secret{Name: name, Missing: true}, nil
	}
	return sec, err
}
