package task

import (
	"cmp"
	"context"

	"meshtask/envoy"
)

// consulServer is the Consul that serves Envoy: the agent, ours or someone else's. It is asked
// only when a pair of versions has to be judged.
func (m *mesh) consulServer(ctx context.Context) envoy.Server {
	if m.agent == nil { // no task's token may ask a server for its version
		return envoy.Server{}
	}
	about, err := m.agent.client.About(ctx)
	if err != nil {
		m.d.Log.Debug("the agent does not say which Envoys it lists", "error", err)
	}
	return envoy.Server{Version: cmp.Or(m.consulVersion(), about.Version), Envoys: about.Envoys}
}

// consulVersion is what our agent has said at its start; "" is not known.
func (m *mesh) consulVersion() string {
	if m.agent.ours == nil {
		return ""
	}
	return m.agent.ours.Version()
}
