package main

import (
	"meshtask/internal/ecs"
	"meshtask/internal/plan"
)

// runPlan is `meshtask plan`: what would run, with the stop budget spent step by step. It
// starts nothing and asks nobody: without task.* the identity is that of a local run.
func runPlan(w *world, c call) int {
	if code := w.misused("plan", c); code != 0 {
		return code
	}
	cfg, warnings, err := w.config(c.mode(), c)
	if err != nil {
		return w.fail(exitConfig, "%v", err)
	}
	for _, warn := range warnings {
		w.warn("warning: %s", warn)
	}
	p, err := plan.New(cfg, ecs.LocalNamed(cfg.Task.ID))
	if err != nil {
		return w.fail(exitConfig, "%v", err)
	}
	for _, warn := range p.Warnings {
		w.warn("warning: %s: %s", warn.Path, warn.Text)
	}
	if !c.On("json") {
		return w.print([]byte(p.Text()))
	}
	text, err := p.JSON()
	if err != nil {
		return w.fail(exitInternal, "plan: %v", err)
	}
	return w.print(append(text, '\n'))
}
