package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// workers is how many chains are carried out at once; one takes about four
// calls, so a new cluster of 1 000 services is bound by the rate of secret
// writes and not by latency.
const workers = 8

// finishWithin is how long a chain that has begun may go on after the
// controller was asked to stop (which takes 5 s at most): a secret that is
// filled should find its token.
const finishWithin = 4 * time.Second

// outcome is how a chain ended.
type outcome struct {
	chain Chain
	creds Creds // that the secret holds now, when the chain wrote it
	made  made  // policies that it made
	err   error
}

// made are the IDs of the policies that a plan has made so far, by name.
type made map[string]string

// link gives the links to these policies their IDs.
func (m made) link(links []Link) ([]Link, error) {
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

// apply carries out a plan. Chains that have not begun when ctx ends do not;
// those that have, finish.
func (c *Controller) apply(ctx context.Context, p Plan) []outcome {
	var out []outcome
	shared := made{}
	for _, ch := range p.Common {
		if ctx.Err() != nil {
			return out
		}
		o := c.carryOut(ctx, ch, nil)
		maps.Copy(shared, o.made)
		out = append(out, o)
	}
	work := make(chan Chain)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(workers, len(p.Chains)) {
		wg.Go(func() {
			for ch := range work {
				o := c.carryOut(ctx, ch, shared)
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

// carryOut carries out one chain; shared are the policies that the plan has made
// before.
func (c *Controller) carryOut(ctx context.Context, ch Chain, shared made) outcome {
	ctx, release := finishing(ctx)
	defer release()
	o := outcome{chain: ch, made: made{}}
	maps.Copy(o.made, shared)
	for i, op := range ch.Ops {
		if i > 0 && ch.Ops[i-1].Kind == CreateSecret {
			if op.Replaces, o.err = c.created(ctx, op.Secret); o.err != nil {
				return o
			}
		}
		if o.err = c.do(ctx, op, &o); o.err != nil {
			o.err = fmt.Errorf("%s: %w", op, o.err)
			return o
		}
		c.stats.update(func(s *Stats) { s.Operations[op.Kind.String()]++ })
		c.log.Info(op.Kind.String(), "for", ch.For, "object", op.object(o.creds))
	}
	return o
}

// created is the version of a secret that was just created. Another controller
// may have created it, and filled it already; then the next look goes on.
func (c *Controller) created(ctx context.Context, name string) (string, error) {
	sec, err := c.readSecret(ctx, name)
	if err == nil && (sec.Missing || sec.Bad != "" || !sec.Creds.zero()) {
		err = ErrConflict
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
func (c *Controller) do(ctx context.Context, op Op, so *outcome) error {
	switch op.Kind {
	case CreatePartition:
		return c.call(ctx, "consul:CreatePartition", func(ctx context.Context) error { return c.consul.CreatePartition(ctx, op.Name) })
	case CreateNamespace:
		return c.call(ctx, "consul:CreateNamespace", func(ctx context.Context) error { return c.consul.CreateNamespace(ctx, op.Name) })
	case CreateSecret:
		return c.writeSecret(ctx, "secretsmanager:CreateSecret", func(ctx context.Context) error { return c.secrets.CreateSecret(ctx, op.Secret) })
	case FillSecret:
		fill := op.Creds
		if fill.zero() {
			fill = newCreds()
		}
		err := c.putSecret(ctx, op, fill)
		if err == nil {
			so.creds = fill
		}
		return err
	case ClearSecret:
		return c.putSecret(ctx, op, Creds{})
	case CreatePolicy:
		return c.call(ctx, "consul:CreatePolicy", func(ctx context.Context) (err error) {
			so.made[op.Policy.Name], err = c.consul.CreatePolicy(ctx, op.Policy)
			return err
		})
	case PutToken:
		t := op.Token
		if t.AccessorID == "" {
			t.AccessorID, t.SecretID = so.creds.AccessorID, so.creds.SecretID
		}
		var err error
		if t.Policies, err = so.made.link(t.Policies); err != nil {
			return err
		}
		return c.call(ctx, "consul:PutToken", func(ctx context.Context) error { return c.consul.PutToken(ctx, t) })
	case DeleteToken:
		return c.call(ctx, "consul:DeleteToken", func(ctx context.Context) error { return c.consul.DeleteToken(ctx, op.Token.AccessorID) })
	case DeletePolicy:
		return c.call(ctx, "consul:DeletePolicy", func(ctx context.Context) error { return c.consul.DeletePolicy(ctx, op.Policy.ID) })
	}
	return fmt.Errorf("unknown operation %d", op.Kind)
}

// putSecret writes in place of the version that was read. When that fails
// because the same replacement was once made and undone, the next try differs.
func (c *Controller) putSecret(ctx context.Context, op Op, content Creds) error {
	key := op.Secret + "\n" + op.Replaces
	replaces := op.Replaces
	if n := c.conflicted(key); n > 0 {
		replaces = fmt.Sprintf("%s#%d", replaces, n)
	}
	err := c.writeSecret(ctx, "secretsmanager:UpdateSecret", func(ctx context.Context) error {
		_, err := c.secrets.PutSecret(ctx, op.Secret, content.json(), replaces)
		return err
	})
	switch {
	case errors.Is(err, ErrConflict):
		c.conflict(key)
	case err == nil:
		c.settled(key)
	}
	return err
}

func (c *Controller) writeSecret(ctx context.Context, api string, call func(context.Context) error) error {
	if err := c.writeLimit.wait(ctx); err != nil {
		return err
	}
	err := c.call(ctx, api, call)
	if isThrottled(err) {
		c.writeLimit.slow()
	}
	return err
}

func (c *Controller) conflicted(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conflicts[key]
}

func (c *Controller) conflict(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conflicts[key]++
}

// settled forgets the conflicts over a version that has been replaced.
func (c *Controller) settled(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conflicts, key)
}
