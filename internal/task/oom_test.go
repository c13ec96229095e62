package task

import (
	"slices"
	"testing"

	"meshtask/internal/event"
)

// The kernel's count is the machine's or the task's: what it was before the first child is
// not ours, and each kill is told once, with the child whose end it came with.
func TestTheOOMWatch(t *testing.T) {
	count := 5 // of an earlier life of the same cgroup
	o := &oomWatch{kills: func() int { return count }}
	var got []event.Event
	say := func(unit string, e event.Event) {
		o.report(unit, func(e event.Event) {
			if oom, ok := e.(event.OutOfMemory); ok {
				got = append(got, oom)
			}
		})(e)
	}
	count = 6 // before the first child
	say("consul-agent", event.Exec{PID: 7})
	say("consul-agent", event.Exit{PID: 7})
	if got != nil {
		t.Errorf("what was killed before is ours: %v", got)
	}
	say("app", event.Exec{PID: 8})
	count = 8 // the app, and a child of its
	say("envoy", event.Exec{PID: 9})
	say("app", event.Exit{PID: 8})
	say("envoy", event.Exit{PID: 9})
	count = 3 // a new cgroup counts anew
	say("app", event.Exit{PID: 10})
	count = 4
	say("app", event.Exit{PID: 11})
	want := []event.Event{event.OutOfMemory{Process: "app", Kills: 2}, event.OutOfMemory{Process: "app", Kills: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
