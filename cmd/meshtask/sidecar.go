package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/envoy"
	"meshtask/internal/plan"
)

// registered reads the sidecar as the agent has it, merged with the central
// defaults: what Consul's own command makes a bootstrap of.
func (t *task) registered(ctx context.Context) (envoy.Registered, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := api.NewClient(&api.Config{Address: plan.AgentHTTP(t.cfg), Scheme: "http", Transport: transport,
		HttpClient: &http.Client{Transport: transport}, Namespace: t.mesh.reg.Namespace, Partition: t.mesh.reg.Partition})
	if err != nil {
		return envoy.Registered{}, err
	}
	id := t.mesh.reg.ProxyID()
	s, _, err := client.Agent().Service(id, (&api.QueryOptions{Token: t.serviceToken()}).WithContext(ctx))
	if err != nil {
		return envoy.Registered{}, err
	}
	if s.Proxy == nil {
		return envoy.Registered{}, fmt.Errorf("%s is registered as something else than a proxy", id)
	}
	return envoy.Registered{Service: s.Proxy.DestinationServiceName, Namespace: s.Namespace, Partition: s.Partition,
		Datacenter: s.Datacenter, Config: s.Proxy.Config}, nil
}
