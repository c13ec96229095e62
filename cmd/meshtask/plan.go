package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"meshtask/internal/ecs"
	"meshtask/internal/plan"
)

// runPlan is `meshtask plan`: what would run, with the stop budget spent step
// by step. It starts nothing and asks nobody: without task.* the identity is
// that of a local run.
func runPlan(w *world, c call) int {
	cfg, warnings, err := w.config(c.mode(), c)
	if err != nil {
		return w.fail(exitConfig, "%v", err)
	}
	for _, warn := range warnings {
		w.warn("warning: %s", warn)
	}
	if err := cfg.Resolve(ecs.Local()); err != nil {
		return w.fail(exitConfig, "%v", err)
	}
	rows := plan.Rows(cfg)
	stop, err := plan.Stop(cfg, rows)
	if err != nil {
		return w.fail(exitConfig, "%v", err)
	}
	reg := plan.Registration(cfg)
	if c.on("json") {
		text, err := json.MarshalIndent(map[string]any{"service": reg.Service(), "sidecar": reg.Sidecar(), "checks": plan.Checks(cfg, reg),
			"timeline": rows, "stop": stop.String(), "command": cfg.App.Command, "config": cfg}, "", "  ")
		if err != nil {
			return w.fail(exitInternal, "plan: %v", err)
		}
		return w.print(append(text, '\n'))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "service   %s (%s), sidecar %s on %s\n", reg.ServiceID(), reg.Name, reg.ProxyID(), plan.Listen(cfg))
	fmt.Fprintf(&b, "agent     %s, xDS %s\n", plan.AgentHTTP(cfg), plan.AgentGRPC(cfg))
	for _, check := range plan.Checks(cfg, reg) {
		fmt.Fprintf(&b, "check     %s\n", check.ID)
	}
	if len(cfg.App.Command) > 0 {
		fmt.Fprintf(&b, "app       %s\n", strings.Join(cfg.App.Command, " "))
	}
	fmt.Fprintf(&b, "budget    %s\n\n%s", stop, rows.Text())
	return w.print([]byte(b.String()))
}
