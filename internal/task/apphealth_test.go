package task

import (
	"testing"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/plan"
	"meshtask/lifecycle"
)

// The answer about health is the record's: the app's own counts once the task is up.
func TestHealthIsThatOfTheRecord(t *testing.T) {
	book := journal.New(time.Now())
	s := &source{t: &task{book: book, plan: &plan.Plan{Kind: plan.Mesh, App: &plan.App{}}}}
	tell := func(u lifecycle.Unit, e event.Event) { book.Report(string(u))(e) }
	for i, step := range []struct {
		tell   func()
		reason string
	}{
		{func() {}, "the task is starting"},
		{func() { tell(lifecycle.Unit(event.Task), event.Mark{Name: "T2"}) }, "the app is not healthy"},
		{func() { tell(lifecycle.HealthSync, event.AppHealthy{}) }, ""},
		{func() { tell(lifecycle.HealthSync, event.AppUnhealthy{Reason: "exit code 1"}) }, "exit code 1"},
		{func() { tell(lifecycle.HealthSync, event.AppHealthy{}) }, ""},
		{func() { tell(lifecycle.Unit(event.Task), event.Shutdown{Cause: "TERM"}) }, "the task is stopping"},
	} {
		step.tell()
		if ok, reason := s.Health(); reason != step.reason || ok != (reason == "") {
			t.Errorf("step %d: %v, %q, want %q", i, ok, reason, step.reason)
		}
	}
	s.t.plan.App, s.t.plan.Kind = nil, plan.Mesh // apps of other containers
	book = journal.New(time.Now())
	s.t.book = book
	tell(lifecycle.Unit(event.Task), event.Mark{Name: "T2"})
	if ok, reason := s.Health(); !ok {
		t.Errorf("without an app of its own: %q", reason)
	}
}
