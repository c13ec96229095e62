package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// readPolicies lists policies and namespaces, and reads the rules of those
// policies that an audit compares and that changed since the last one.
func (c *Controller) readPolicies(ctx context.Context, st *state, w *World, a attention) error {
	err := c.call(ctx, "consul:ListPolicies", func(ctx context.Context) (err error) {
		w.Policies, err = c.consul.Policies(ctx)
		return err
	})
	if err != nil {
		return &lookError{"Consul", "list the policies", err}
	}
	if w.Naming.Partition != "" {
		err = c.call(ctx, "consul:ListNamespaces", func(ctx context.Context) (err error) {
			w.Namespaces, err = c.consul.Namespaces(ctx)
			return err
		})
		if err != nil {
			return &lookError{"Consul", "list the namespaces", err}
		}
	}
	compare := c.compared(st, w, a)
	if st.auditor {
		st.leftover = map[Service]bool{}
	}
	exist := map[string]bool{}
	for i, p := range w.Policies {
		exist[p.ID] = true
		if s, ok := w.Naming.policyOwner(p); ok && st.auditor {
			st.leftover[s] = true
		}
		if needed, ok := compare[fold(p.Name)]; ok && needed(p) {
			w.Policies[i].Rules = c.rules(ctx, st, p)
		}
	}
	maps.DeleteFunc(st.rules, func(id string, _ Policy) bool { return !exist[id] })
	return nil
}

// ensurePartition makes our partition where it is missing, as consul-ecs did: no
// other call can be answered without it. The default one always exists.
func (c *Controller) ensurePartition(ctx context.Context, st *state) error {
	name := c.cfg.Partition
	if name == "" || name == defaultName || st.partitioned {
		return nil
	}
	var have []string
	err := c.call(ctx, "consul:ListPartitions", func(ctx context.Context) (err error) {
		have, err = c.consul.Partitions(ctx)
		return err
	})
	if err != nil {
		return &lookError{"Consul", "list the partitions", err}
	}
	if !slices.ContainsFunc(have, func(p string) bool { return strings.EqualFold(p, name) }) {
		ch := Chain{For: partitionSubject(name), Ops: []Op{{Kind: CreatePartition, Name: name}}}
		if c.cfg.DryRun {
			return errors.Join(c.print(Plan{Common: []Chain{ch}}), fmt.Errorf("partition %q does not exist, so that nothing in it can be looked at", name))
		}
		if o := c.carryOut(ctx, ch, nil); o.err != nil {
			return &lookError{"Consul", "create the partition", o.err}
		}
	}
	st.partitioned = true
	return nil
}

// compared are the policies, by folded name, whose rules are read: those that an
// audit compares, and those whose description does not say that they are ours.
func (c *Controller) compared(st *state, w *World, a attention) map[string]func(Policy) bool {
	always := func(Policy) bool { return true }
	compare := map[string]func(Policy) bool{}
	for s := range a.services {
		compare[fold(w.Naming.policy(s))] = func(p Policy) bool { return a.audited[s] || !w.Naming.describes(s, p.Description) }
	}
	if a.client {
		compare[fold(w.Naming.clientPolicy())] = always
	}
	if w.Naming.Partition != "" {
		compare[crossNamespacePolicy] = func(p Policy) bool { return st.auditor || p.Description != crossNamespaceDescription }
	}
	return compare
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
