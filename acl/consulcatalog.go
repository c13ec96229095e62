package acl

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	"github.com/hashicorp/consul/api"

	"meshtask/acl/reconcile"
)

// registered is what is read of a service of a node: a cluster's node has tens of thousands, with
// more to each of them than is needed.
type registered struct {
	ID, Service, Kind, Namespace string
	Meta                         map[string]string
	Proxy                        *struct{ DestinationServiceName string }
}

func (c consulACL) Node(ctx context.Context, name string) (reconcile.Node, []reconcile.Instance, error) {
	var out struct {
		Node     *struct{ Meta map[string]string }
		Services []registered
	}
	if _, err := c.api.Raw().Query("/v1/catalog/node-services/"+name, &out, c.everywhere(ctx)); err != nil {
		return reconcile.Node{}, nil, consulError(err, "node:read and service:read")
	}
	if out.Node == nil {
		return reconcile.Node{Name: name, Missing: true}, nil, nil
	}
	on := make([]reconcile.Instance, 0, len(out.Services))
	for _, s := range out.Services {
		i := reconcile.Instance{Node: name, ID: s.ID, Namespace: s.Namespace, Service: s.Service, Meta: s.Meta}
		if s.Kind == string(api.ServiceKindConnectProxy) && s.Proxy != nil {
			i.Service, i.Sidecar = s.Proxy.DestinationServiceName, true
		}
		on = append(on, i)
	}
	return reconcile.Node{Name: name, Meta: out.Node.Meta}, on, nil
}

func (c consulACL) TaskNodes(ctx context.Context) ([]reconcile.Node, error) {
	q := c.query(ctx)
	q.Namespace = "" // nodes are in none
	q.Filter = fmt.Sprintf(`Node matches "^%s" and %q not in Meta and %q not in Meta`, reconcile.TaskNodePrefix, reconcile.MetaSegment, reconcile.MetaVersion)
	list, _, err := c.api.Catalog().Nodes(q)
	if err != nil {
		return nil, consulError(err, "node:read")
	}
	nodes := make([]reconcile.Node, 0, len(list))
	for _, n := range list {
		nodes = append(nodes, reconcile.Node{Name: n.Node, Meta: n.Meta})
	}
	return nodes, nil
}

// nodeAddress is that of a node made here. Nothing is reached by it: tasks register an address of
// their own.
const nodeAddress = "127.0.0.1"

func (c consulACL) PutNode(ctx context.Context, n reconcile.Node) error {
	q := c.query(ctx)
	q.Namespace, q.Filter = "", fmt.Sprintf("Node == %q", n.Name)
	have, _, err := c.api.Catalog().Nodes(q)
	if err != nil {
		return consulError(err, "node:read")
	}
	put := &api.CatalogRegistration{Node: n.Name, Address: nodeAddress, NodeMeta: maps.Clone(n.Meta), Partition: c.partition}
	if len(have) > 0 { // all of it is replaced
		h := have[0]
		put.ID, put.Address, put.TaggedAddresses, put.Locality = h.ID, h.Address, h.TaggedAddresses, h.Locality
		put.NodeMeta = maps.Clone(h.Meta)
		if put.NodeMeta == nil {
			put.NodeMeta = map[string]string{}
		}
		maps.Copy(put.NodeMeta, n.Meta)
	}
	_, err = c.api.Catalog().Register(put, c.nodeWrite(ctx))
	return consulError(err, "node:write on "+n.Name)
}

func (c consulACL) nodeWrite(ctx context.Context) *api.WriteOptions {
	w := c.write(ctx)
	w.Namespace = ""
	return w
}

func (c consulACL) DeregisterService(ctx context.Context, i reconcile.Instance) error {
	_, err := c.api.Catalog().Deregister(&api.CatalogDeregistration{Node: i.Node, ServiceID: i.ID, Namespace: i.Namespace, Partition: c.partition}, c.nodeWrite(ctx))
	return consulError(err, "node:write on "+i.Node)
}

func (c consulACL) DeregisterNode(ctx context.Context, name string) error {
	_, err := c.api.Catalog().Deregister(&api.CatalogDeregistration{Node: name, Partition: c.partition}, c.nodeWrite(ctx))
	return consulError(err, "node:write on "+name)
}

func (c consulACL) Terminating(ctx context.Context) ([]reconcile.Terminating, error) {
	list, _, err := c.api.ConfigEntries().List(api.TerminatingGateway, c.everywhere(ctx))
	if err != nil {
		return nil, consulError(err, "service:read")
	}
	var all []reconcile.Terminating
	for _, entry := range list {
		e, ok := entry.(*api.TerminatingGatewayConfigEntry)
		if !ok {
			continue
		}
		t := reconcile.Terminating{Gateway: c.service(e.Name, e.Namespace)}
		for _, s := range e.Services {
			t.Services = append(t.Services, c.service(s.Name, s.Namespace))
		}
		all = append(all, t)
	}
	return all, nil
}

// service is a service by the names that Consul gives it.
func (c consulACL) service(name, namespace string) reconcile.Service {
	if c.partition == "" {
		return reconcile.Service{Name: name}
	}
	return reconcile.Service{Name: name, Namespace: cmp.Or(namespace, defaultName), Partition: c.partition}
}
