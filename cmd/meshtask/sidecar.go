package main

import (
	"context"

	"meshtask/envoy/bootstrap"
)

// registered is the sidecar as a bootstrap is made of it.
func (t *task) registered(ctx context.Context) (bootstrap.Registered, error) {
	s, err := t.mesh.client.Sidecar(ctx)
	if err != nil {
		return bootstrap.Registered{}, err
	}
	return bootstrap.Registered{Service: s.Proxy.DestinationServiceName, Namespace: s.Namespace, Partition: s.Partition,
		Datacenter: s.Datacenter, Config: s.Proxy.Config}, nil
}
