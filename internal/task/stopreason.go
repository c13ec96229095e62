package task

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshtask/internal/ecs"
	"meshtask/internal/event"
)

const (
	// reasonLimit bounds the one question; the endpoint answers within milliseconds.
	reasonLimit = time.Second
	// together is how long before the stop the end of a container may be that began it.
	together = 10 * time.Second
)

// askReason asks the metadata endpoint once, when the stop begins, why ECS has asked for it.
// It returns when over is closed, or down has been and the answer is reported.
func (t *task) askReason(over <-chan struct{}) {
	select {
	case <-t.watch.down:
	case <-over:
		return
	}
	if t.meta == nil || !t.asked() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), reasonLimit)
	watched := make(chan struct{})
	go func() { // nothing waits for the answer
		defer close(watched)
		select {
		case <-over:
		case <-ctx.Done():
		}
		cancel()
	}()
	seen, err := t.meta.Task(ctx)
	cancel()
	<-watched
	if err != nil {
		return // what it means that the endpoint does not answer was said before
	}
	if reason, ok := stopReason(seen, t.plan.Task.Container, time.Now()); ok {
		t.book.Report(event.Task)(reason)
	}
}

// stopReason is why ECS stops the task whose document this is, at this time; false: it does
// not say. ECS documents no reason in it, and has put none there so far: a stopped container,
// an unhealthy one, and the words of DescribeTasks where they are, tell.
func stopReason(t ecs.Task, own string, now time.Time) (event.StopReason, bool) {
	said := t.StoppedReason
	if t.StopCode == "SpotInterruption" || strings.Contains(strings.ToLower(said), "spot task was interrupted") {
		return event.StopReason{Code: event.StoppedSpot, Facts: event.Facts{event.FactSaid: said}}, true
	}
	others := slices.DeleteFunc(slices.Clone(t.Containers), func(c ecs.Container) bool { return c.Name == own || c.Type != "NORMAL" })
	slices.SortFunc(others, func(a, b ecs.Container) int { return strings.Compare(a.FinishedAt, b.FinishedAt) })
	for _, c := range others {
		if c.KnownStatus == "STOPPED" && began(t, c, now) {
			f := event.Facts{"container": c.Name}
			if c.ExitCode != nil {
				f["exit"] = fmt.Sprint(*c.ExitCode)
			}
			return event.StopReason{Code: event.StoppedByContainer, Facts: f}, true
		}
	}
	for _, c := range others {
		if c.Health != nil && c.Health.Status == "UNHEALTHY" {
			return event.StopReason{Code: event.StoppedUnhealthy, Facts: event.Facts{"container": c.Name, event.FactSaid: c.Health.Output}}, true
		}
	}
	if said != "" {
		return event.StopReason{Code: event.StoppedByECS, Facts: event.Facts{event.FactSaid: said}}, true
	}
	return event.StopReason{}, false
}

// began says whether the end of a container can have begun the stop: it comes just before. The
// end of one that only had to run before the others, or that the stop itself has ended, does not.
func began(t ecs.Task, c ecs.Container, now time.Time) bool {
	ended, err := time.Parse(time.RFC3339Nano, c.FinishedAt)
	if err != nil || ended.After(now) || now.Sub(ended) > together {
		return false
	}
	stopped, err := time.Parse(time.RFC3339Nano, t.ExecutionStoppedAt)
	return err != nil || !ended.After(stopped)
}
