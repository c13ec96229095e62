package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"meshtask/acl/reconcile"
)

// maxNodeReads is how many nodes of tasks that are not listed one sweep reads.
const maxNodeReads = 500

// catalogView is what a sweep has seen of the catalog.
type catalogView struct {
	reconcile.Catalog
	nodes   []reconcile.Node // tasks' own, all of them
	stopped map[string]bool  // of the tasks that ECS was asked for, those that are gone
	asked   map[string]bool  // ARNs
	tasks   map[string]bool  // ARNs of the tasks that have something in the catalog
}

// readCatalog reads what tasks without an agent have registered. It goes before the list of tasks:
// one that is born between the two is in neither, or in the second alone.
func (c *Controller) readCatalog(ctx context.Context) (*catalogView, error) {
	v := &catalogView{}
	if c.cfg.Mode == reconcile.WithAgents {
		return v, nil
	}
	for _, name := range c.naming.Nodes() {
		node, on, err := c.readNode(ctx, name)
		if err != nil {
			return nil, err
		}
		v.Nodes = append(v.Nodes, node)
		if !node.HasAgent() {
			v.Instances = append(v.Instances, on...)
		}
	}
	err := c.stats.call(ctx, "consul:ListNodes", func(ctx context.Context) (err error) {
		v.nodes, err = c.catalog.TaskNodes(ctx)
		return err
	})
	if err != nil {
		return nil, &lookError{"Consul", "list the nodes", err}
	}
	return v, nil
}

func (c *Controller) readNode(ctx context.Context, name string) (node reconcile.Node, on []reconcile.Instance, err error) {
	err = c.stats.call(ctx, "consul:ReadNode", func(ctx context.Context) (err error) {
		node, on, err = c.catalog.Node(ctx, name)
		return err
	})
	if err != nil {
		return node, nil, &lookError{"Consul", "read node " + name, err}
	}
	return node, on, nil
}

// readGateways reads what terminating gateways link, where there may be one: those that log in
// are told apart by a tag of their role, which nobody shows us.
func (c *Controller) readGateways(ctx context.Context, m *memory, w *reconcile.World) error {
	login, secret := c.naming.RolePath != "" && w.Naming.Gateways, slices.Contains(slices.Collect(maps.Values(w.Kinds)), reconcile.TerminatingGateway)
	if m.noACLs || !login && !secret {
		return nil
	}
	err := c.stats.call(ctx, "consul:ListGateways", func(ctx context.Context) (err error) {
		w.Terminating, err = c.catalog.Terminating(ctx)
		return err
	})
	if err != nil {
		return &lookError{"Consul", "list the terminating gateways", err}
	}
	w.GatewaysRead = true
	return nil
}

// examine finds out which tasks of the catalog, and of the logins, are gone: ECS is asked for
// those alone that are not listed, for the list has no task that is stopping.
func (c *Controller) examine(ctx context.Context, m *memory, v *catalogView, tokens []reconcile.Token) error {
	if c.cfg.Mode == reconcile.WithAgents {
		return nil
	}
	listed := make(map[string]bool, len(m.tasks.listed))
	for _, arn := range m.tasks.listed {
		listed[arn] = true
	}
	if err := c.readTaskNodes(ctx, m, v, listed); err != nil {
		return err
	}
	v.tasks = c.naming.Tasks(v.Catalog)
	v.asked = maps.Clone(v.tasks)
	for _, t := range tokens {
		if task := c.naming.Cluster.Task(c.naming.LoginTask(t)); task != "" {
			v.asked[task] = true
		}
	}
	maps.DeleteFunc(v.asked, func(arn string, _ bool) bool { return listed[arn] })
	if err := c.askStopped(ctx, v); err != nil {
		return err
	}
	v.Dead = m.strays.observe(m.begun, 0, v.tasks, func(arn string) bool { return !v.stopped[arn] })
	return nil
}

// readTaskNodes reads the own nodes of tasks that are not listed, but for those that have proved to be
// another cluster's.
func (c *Controller) readTaskNodes(ctx context.Context, m *memory, v *catalogView, listed map[string]bool) error {
	exist, reads := map[string]bool{}, 0
	for _, node := range v.nodes {
		exist[node.Name] = true
		arn := c.naming.NodeTask(node)
		if arn == "" || listed[arn] || m.foreign[node.Name] {
			continue
		}
		if reads++; reads > maxNodeReads {
			v.Unread = true
			break
		}
		now, on, err := c.readNode(ctx, node.Name)
		if err != nil {
			return err
		}
		ours, theirs := c.naming.Proves(now, on)
		if ours {
			v.TaskNodes, v.Instances = append(v.TaskNodes, now), append(v.Instances, on...)
		}
		if theirs {
			m.foreign[node.Name] = true
		}
	}
	if !v.Unread {
		maps.DeleteFunc(m.foreign, func(name string, _ bool) bool { return !exist[name] })
	}
	return nil
}

// usualID says whether a task's ID looks like those that ECS gives. ECS refuses a whole call for
// one that it cannot have given, so others are asked for by themselves.
func usualID(id string) bool {
	strange := func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && r != '-' }
	return (len(id) == 32 || len(id) == 36) && !strings.ContainsFunc(id, strange)
}

// askStopped asks ECS which of the tasks are gone. One that it will not answer for counts as
// there.
func (c *Controller) askStopped(ctx context.Context, v *catalogView) error {
	v.stopped = map[string]bool{}
	var usual, others []string
	for _, arn := range slices.Sorted(maps.Keys(v.asked)) {
		if usualID(reconcile.TaskID(arn)) {
			usual = append(usual, arn)
		} else {
			others = append(others, arn)
		}
	}
	var found []reconcile.Finding
	for _, group := range [][]string{usual, others} {
		for some := range slices.Chunk(group, maxDescribe) {
			var stopped []string
			err := c.callECS(ctx, "ecs:DescribeTasks", func(ctx context.Context) (err error) {
				stopped, err = c.ecs.Stopped(ctx, c.cfg.Cluster, some)
				return err
			})
			if errors.Is(err, errRefused) {
				found = append(found, reconcile.Finding{Subject: reconcile.CatalogSubject, Reason: fmt.Sprintf("ECS does not say what became of %d tasks, %s and so on: what they have registered is left alone: %v", len(some), some[0], err)})
				continue
			}
			if err != nil {
				return &lookError{"ECS", "list the tasks", fmt.Errorf("describe those of the catalog: %w", err)}
			}
			for _, arn := range stopped {
				v.stopped[arn] = true
			}
		}
	}
	c.findings.replace(reconcile.CatalogSubject, found)
	return nil
}
