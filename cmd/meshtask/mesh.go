package main

import (
	"context"
	"errors"

	"meshtask/health"
	"meshtask/internal/ecs"
	"meshtask/internal/secret"
	"meshtask/supervisor"
)

// mesh is what a task has besides its app.
type mesh struct {
	consul, envoy string // paths
	sync          *health.Syncer
}

func (m *mesh) health() (bool, string) { return false, "not wired" }

func (t *task) findParts() error {
	if !t.cfg.Mode.Mesh() {
		return nil
	}
	return errors.New("mesh")
}

func (t *task) identify() error {
	if !t.cfg.Mode.Mesh() {
		return t.cfg.Resolve(ecs.Identity{})
	}
	return t.during(func(ctx context.Context) error { return nil })
}

func (t *task) wireMesh() error { return errors.New("mesh") }

func (t *task) adminTCP() string { return "" }

func agentKeys() []string { return nil }

func (t *task) appSpec(spec supervisor.Spec) (supervisor.Spec, error) {
	spec.Env = t.w.env
	for name, v := range t.cfg.App.Env {
		value := v.Value
		if v.From != (secret.Ref{}) {
			return spec, errors.New("references need a mesh")
		}
		spec.Env = setenv(spec.Env, name, value)
	}
	return spec, nil
}
