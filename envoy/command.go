package envoy

import (
	"context"
	"time"

	"meshtask/supervisor"
)

// Starter runs processes: *supervisor.Supervisor.
type Starter interface {
	Start(supervisor.Spec) (*supervisor.Child, error)
	Output(context.Context, supervisor.Spec, time.Duration) ([]byte, error)
}
