package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/pflag"

	"meshtask/internal/ask"
	"meshtask/internal/printable"
)

// probeTimeout is below the 5 s that ECS gives a health check by default.
const probeTimeout = "4s"

func probeFlags(fs *pflag.FlagSet) {
	fs.String("timeout", probeTimeout, "how long to wait for the answer, as a `DURATION`")
}

// runProbe is `meshtask probe URL`: 0 for a yes, else 1 and one line why.
func runProbe(w *world, c call) int {
	if len(c.Rest) != 1 || len(c.Cmd) > 0 {
		return w.fail(exitUsage, "probe: one address is needed: meshtask probe http://127.0.0.1:8080/health")
	}
	q, err := ask.Of(c.Rest[0])
	if err != nil {
		return w.fail(exitUsage, "probe: %v", err)
	}
	said := cmp.Or(c.Set["timeout"], probeTimeout)
	limit, err := time.ParseDuration(said)
	if err != nil || limit <= 0 {
		return w.fail(exitUsage, "probe: --timeout: must be a duration such as 4s, got %q", said)
	}
	ctx, done := context.WithTimeout(context.Background(), limit)
	defer done()
	err = q(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return w.fail(1, "unhealthy: no answer from %s within %v", c.Rest[0], limit)
	}
	return w.fail(1, "unhealthy: %s", printable.Line(err.Error()))
}
