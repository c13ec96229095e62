package task

import (
	"context"
	"strings"

	"meshtask/envoy"
	"meshtask/internal/event"
	"meshtask/internal/state"
)

// bound is the first address that Envoy has said it listens on; "": none yet.
func (t *task) bound() (first string) {
	t.book.Read(func(s *state.State) { first, _, _ = strings.Cut(s.Listens, ", ") })
	return first
}

// gatewayLacks says what a gateway's Envoy, which is not ready, waits for that is not its own
// business. What it waits for may come days later.
func (m *mesh) gatewayLacks(ctx context.Context) (f envoy.Finding, waits bool) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	if c, seen := m.asked().Gateway(ctx); seen && !c.OK {
		return envoy.Finding{Code: c.Code, Seen: c.Reason, Fix: gatewayFix(c.Code), Facts: c.Facts}, true
	}
	return f, false
}

// gatewayFix is what usually helps, in a few words.
func gatewayFix(code event.Code) string {
	switch code {
	case event.GatewayNoEntry:
		return "write the gateway's config entry (consul config write)"
	case event.GatewayNoRoute:
		return "write a route whose parent is this gateway (consul config write)"
	}
	return "grant them to the gateway's token; meshtask acl-controller does for tasks with the tag consul.hashicorp.com/gateway-kind"
}

// gatewayCondition says whether the gateway has what it serves by: in Consul, and at Envoy, which
// has a listener for as long as there is something to serve.
func (w *watch) gatewayCondition(ctx context.Context) (event.Condition, bool) {
	c, seen := w.consul.Gateway(ctx)
	if !seen || !c.OK {
		return c, seen
	}
	if sent, err := w.envoy.Admin.Sent(ctx); err == nil && len(sent) == 0 {
		c.OK, c.Code, c.Reason, c.Facts = false, event.GatewayNoRoute, "Consul has sent Envoy no listener", event.Facts{"name": w.consul.Name}
	}
	return c, true
}
