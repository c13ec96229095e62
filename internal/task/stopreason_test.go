package task

import (
	"testing"
	"time"

	"meshtask/internal/ecs"
	"meshtask/internal/event"
)

// Only the end of a container that came just before the stop is its reason: one that had to run
// first ended long ago, and those that the stop ends do so behind it.
func TestStopReason(t *testing.T) {
	now := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339Nano) }
	one := 1
	gone := func(name string, before time.Duration) ecs.Container {
		return ecs.Container{Name: name, Type: "NORMAL", KnownStatus: "STOPPED", ExitCode: &one, FinishedAt: at(-before)}
	}
	running := ecs.Container{Name: "web", Type: "NORMAL", KnownStatus: "RUNNING"}
	ill := ecs.Container{Name: "cache", Type: "NORMAL", KnownStatus: "RUNNING", Health: &ecs.Health{Status: "UNHEALTHY", Output: "exit 1"}}
	for name, c := range map[string]struct {
		task      ecs.Task
		code      event.Code
		container string
	}{
		"nothing is said":        {ecs.Task{DesiredStatus: "STOPPED", Containers: []ecs.Container{running}}, "", ""},
		"spot, by its code":      {ecs.Task{StopCode: "SpotInterruption", Containers: []ecs.Container{ill}}, event.StoppedSpot, ""},
		"spot, by its words":     {ecs.Task{StoppedReason: "Your Spot Task was interrupted."}, event.StoppedSpot, ""},
		"other words":            {ecs.Task{StoppedReason: "Scaling activity initiated by deployment x"}, event.StoppedByECS, ""},
		"a container":            {ecs.Task{ExecutionStoppedAt: at(-time.Second), Containers: []ecs.Container{running, gone("router", 2*time.Second)}}, event.StoppedByContainer, "router"},
		"the first of two":       {ecs.Task{Containers: []ecs.Container{gone("b", time.Second), gone("a", 2*time.Second)}}, event.StoppedByContainer, "a"},
		"one that ran before":    {ecs.Task{Containers: []ecs.Container{gone("init", time.Hour), running}}, "", ""},
		"one that the stop ends": {ecs.Task{ExecutionStoppedAt: at(-2 * time.Second), Containers: []ecs.Container{gone("b", time.Second)}}, "", ""},
		"our own":                {ecs.Task{Containers: []ecs.Container{gone("web", time.Second)}}, "", ""},
		"AWS's own":              {ecs.Task{Containers: []ecs.Container{{Name: "pause", Type: "CNI_PAUSE", KnownStatus: "STOPPED", FinishedAt: at(-time.Second)}}}, "", ""},
		"health":                 {ecs.Task{Containers: []ecs.Container{running, ill}}, event.StoppedUnhealthy, "cache"},
	} {
		got, ok := stopReason(c.task, "web", now)
		if got.Code != c.code || ok != (c.code != "") || got.Facts["container"] != c.container {
			t.Errorf("%s: %+v, %v; want %s of %q", name, got, ok, c.code, c.container)
		}
	}
}
