package task

import (
	"context"

	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/lease"
	"meshtask/internal/plan"
)

// identify asks the task metadata endpoint who we are, where there is one and it matters.
func (t *task) identify(ctx context.Context) (ecs.Identity, error) {
	id := t.d.Local
	switch {
	case t.d.Metadata == "" || t.d.Kind == plan.Init:
		return id, nil
	case t.d.Kind == plan.Sibling: // its name alone, which it can do without
		id.Container = lease.OwnName(ctx, t.d.Metadata)
		return id, nil
	}
	var err error
	if t.meta, err = ecs.New(t.d.Metadata); err != nil {
		return id, err
	}
	report := t.waits.Report(event.Task, t.book.Report(event.Task))
	return t.meta.Identity(ctx, report)
}
