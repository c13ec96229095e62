package acl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshtask/acl/reconcile"
)

// defaultName is the partition and the namespace that always exist.
const defaultName = "default"

// ensurePartition makes our partition where it is missing, as consul-ecs did: no
// other call can be answered without it.
func (c *Controller) ensurePartition(ctx context.Context, m *memory) error {
	name := c.cfg.Partition
	if name == "" || name == defaultName || m.partitioned {
		return nil
	}
	var have []string
	err := c.stats.call(ctx, "consul:ListPartitions", func(ctx context.Context) (err error) {
		have, err = c.partitions.Partitions(ctx)
		return err
	})
	if err != nil {
		return &lookError{"Consul", "list the partitions", err}
	}
	if !slices.ContainsFunc(have, func(p string) bool { return strings.EqualFold(p, name) }) {
		ch := reconcile.Chain{For: reconcile.PartitionSubject(name), Ops: []reconcile.Op{{Kind: reconcile.CreatePartition, Name: name}}}
		if c.cfg.DryRun {
			return errors.Join(c.print(reconcile.Plan{Common: []reconcile.Chain{ch}}),
				fmt.Errorf("partition %q does not exist, so that nothing in it can be looked at", name))
		}
		if o := c.exec.chain(ctx, ch, nil); o.err != nil {
			return &lookError{"Consul", "create the partition", o.err}
		}
	}
	m.partitioned = true
	return nil
}
