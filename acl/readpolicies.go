package acl

import (
	"context"
	"fmt"
)

// readPolicies lists policies and namespaces, and reads the rules of those
// policies that an audit compares and that changed since the last one.
func (c *Controller) readPolicies(ctx context.Context, st *state, w *World, a attention) error {
	err := c.call(ctx, "consul:ListPolicies", func(ctx context.Context) (err error) {
		w.Policies, err = c.consul.Policies(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("list the policies: %w", err)
	}
	if w.Naming.Partition != "" {
		err = c.call(ctx, "consul:ListNamespaces", func(ctx context.Context) (err error) {
			w.Namespaces, err = c.consul.Namespaces(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("list the namespaces: %w", err)
		}
	}
	compare := map[string]bool{}
	for s := range a.audited {
		compare[w.Naming.policy(s)] = true
	}
	if a.client {
		compare[w.Naming.clientPolicy()] = true
	}
	if st.auditor {
		compare[crossNamespacePolicy] = w.Naming.Partition != ""
		st.leftover = map[Service]bool{}
	}
	for i, p := range w.Policies {
		if s, ok := w.Naming.owner("Policy", p.Description); ok && st.auditor {
			st.leftover[s] = true
		}
		if compare[p.Name] {
			w.Policies[i].Rules = c.rules(ctx, st, p)
		}
	}
	return nil
}

// rules are a policy's rules, or "" when they cannot be read; that is no reason
// to stop, since they are only compared.
func (c *Controller) rules(ctx context.Context, st *state, p Policy) string {
	if known, ok := st.rules[p.ID]; ok && known.Hash == p.Hash {
		return known.Rules
	}
	if c.readLimit.wait(ctx) != nil {
		return ""
	}
	err := c.call(ctx, "consul:ReadPolicy", func(ctx context.Context) (err error) {
		p.Rules, err = c.consul.PolicyRules(ctx, p.ID)
		return err
	})
	if err != nil {
		return ""
	}
	st.rules[p.ID] = p
	return p.Rules
}

// readReports asks, for audited services that have more than one token, which
// of them each task uses. Who cannot be asked has not reported.
func (c *Controller) readReports(ctx context.Context, w *World, v *view, a attention) {
	w.Reports = map[Service][]Report{}
	for s := range a.audited {
		if len(v.own[s]) < 2 || c.readLimit.wait(ctx) != nil {
			continue
		}
		err := c.call(ctx, "consul:ListInstances", func(ctx context.Context) error {
			reports, err := c.consul.Reports(ctx, s)
			w.Reports[s] = reports
			return err
		})
		if err != nil {
			w.Reports[s] = nil
		}
	}
}
