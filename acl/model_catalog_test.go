package acl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"meshtask/acl/reconcile"
)

func (m *model) Stopped(ctx context.Context, _ string, arns []string) (gone []string, err error) {
	err = m.do(ctx, "Stopped", func() error {
		if len(arns) == 0 || len(arns) > 100 {
			return fmt.Errorf("DescribeTasks of %d tasks", len(arns))
		}
		for _, arn := range arns {
			if strings.Contains(arn, "odd") {
				return fmt.Errorf("%w: taskId length should be one of [32,36]", errRefused)
			}
			if _, runs := m.tasks[arn]; !runs && !m.stopping[arn] {
				gone = append(gone, arn)
			}
		}
		return nil
	})
	return gone, err
}

func (m *model) Node(ctx context.Context, name string) (n reconcile.Node, on []reconcile.Instance, err error) {
	err = m.do(ctx, "Node", func() error {
		var ok bool
		if n, ok = m.nodes[name]; !ok {
			n = reconcile.Node{Name: name, Missing: true}
			return nil
		}
		for _, i := range m.instances {
			if i.Node == name {
				on = append(on, i)
			}
		}
		return nil
	})
	return n, on, err
}

func (m *model) TaskNodes(ctx context.Context) (nodes []reconcile.Node, err error) {
	err = m.do(ctx, "TaskNodes", func() error {
		for name, n := range m.nodes {
			if strings.HasPrefix(name, reconcile.TaskNodePrefix) && !n.HasAgent() {
				nodes = append(nodes, n)
			}
		}
		return nil
	})
	return nodes, err
}

func (m *model) PutNode(ctx context.Context, n reconcile.Node) error {
	return m.do(ctx, "PutNode", func() error { m.nodes[n.Name] = n; return nil })
}

func (m *model) DeregisterService(ctx context.Context, i reconcile.Instance) error {
	return m.do(ctx, "DeregisterService", func() error {
		m.instances = slices.DeleteFunc(m.instances, func(h reconcile.Instance) bool { return h.Node == i.Node && h.ID == i.ID })
		return nil
	})
}

func (m *model) DeregisterNode(ctx context.Context, name string) error {
	return m.do(ctx, "DeregisterNode", func() error {
		delete(m.nodes, name)
		m.instances = slices.DeleteFunc(m.instances, func(h reconcile.Instance) bool { return h.Node == name })
		return nil
	})
}

// register puts what a task without an agent registers on a node.
func (m *model) register(node, service, arn string) {
	m.locked(func() {
		id := reconcile.TaskID(arn)
		if _, ok := m.nodes[node]; !ok {
			m.nodes[node] = reconcile.Node{Name: node}
		}
		meta := map[string]string{"source": "consul-ecs", "task-id": id, "task-arn": arn}
		m.instances = append(m.instances, reconcile.Instance{Node: node, ID: service + "-" + id, Service: service, Meta: meta},
			reconcile.Instance{Node: node, ID: service + "-" + id + "-sidecar-proxy", Service: service, Sidecar: true, Meta: meta})
	})
}

// stopTask is what ECS does with a task that is to stop: it is no longer listed, and still there.
func (m *model) stopTask(arn string) {
	m.locked(func() { delete(m.tasks, arn); m.stopping[arn] = true })
}

// registered are the IDs of what is registered.
func (m *model) registered() (ids []string) {
	m.locked(func() {
		for _, i := range m.instances {
			ids = append(ids, i.ID)
		}
	})
	return ids
}
