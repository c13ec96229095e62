package state

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/event"
)

// ended is a life in which something happens to most that a summary tells of.
func ended() *State {
	return life(New("consul-agent", "mesh-init", "envoy", "app"),
		"consul-agent", event.Start{}, "consul-agent", event.Exec{PID: 5}, event.Task, event.Mark{Name: "T0"},
		"envoy", event.Start{}, "envoy", event.Restart{Reason: "exit 1", After: 100 * time.Millisecond},
		event.Task, event.Shutdown{Cause: "TERM"}, event.Task, event.Mark{Name: "T0"},
		"inbound", event.Drained{Start: 12, End: 0, Ms: 412.7}, "app", event.Killed{Name: "app"}, "app", event.Killed{Name: "app", When: "10s after TERM"},
		"app", event.Exit{PeakBytes: 5000, Status: 137, Signal: "KILL"}, "app", event.Exit{PeakBytes: 4000, Status: 137, Signal: "KILL"},
		"app", event.OutOfMemory{Process: "app", Kills: 1},
		"mesh-init", event.Deregistered{Result: Verified}, "consul-agent", event.Left{Result: Unverified},
		event.Task, event.Finish{Cause: "the app ended", Code: 137})
}

func TestTheSummaryIsTheWholeLife(t *testing.T) {
	want := Summary{Exit: 137, Reason: "TERM", Marks: map[string]map[string]float64{event.Up: {"T0": 4000}, event.Down: {"T0": 12000}},
		Restarts: map[string]int{"consul-agent": 0, "envoy": 1}, Drain: Drain{Start: 12, End: 0, Ms: 412}, Deregistered: Verified, Left: Unverified,
		Killed: []string{"app"}, PeakBytes: map[string]int64{"app": 5000}, OOM: "app", App: "exit 137 (KILL)",
		Units: map[string]*Life{"consul-agent": {Steps: map[string]float64{"left": 28000}}, "envoy": {Start: 6000}}}
	if diff := cmp.Diff(want, ended().Summary); diff != "" {
		t.Error(diff)
	}
	refused := life(New(), event.Task, event.Finish{Cause: "bad configuration", Code: 200}).Summary
	if refused.Exit != 200 || refused.Reason != "bad configuration" {
		t.Errorf("%+v", refused)
	}
}

// The line of the log, the pairs of one in JSON, and the file say the same.
func TestTheSummaryHasOneShape(t *testing.T) {
	s := ended().Summary
	s.Why = &Why{State: "it ended", Code: event.AppOutOfMemory, Cause: "memory"}
	pairs := map[string]any{}
	for i := 0; i+1 < len(s.Pairs()); i += 2 {
		pairs[s.Pairs()[i].(string)] = s.Pairs()[i+1]
	}
	text, err := json.Marshal(pairs)
	if err != nil {
		t.Fatal(err)
	}
	var line, paired map[string]any
	if err := json.Unmarshal([]byte(s.Line()), &line); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &paired); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(line, paired); diff != "" {
		t.Error(diff)
	}
	var back Summary
	if err := json.Unmarshal([]byte(s.Line()), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Errorf("read back: %s", diff)
	}
}

// What was begun and not seen to end is not skipped.
func TestAnEndThatWasNotSeenIsUnverified(t *testing.T) {
	s := life(New(), "consul-agent", event.Joined{}, "mesh-init", event.Registered{})
	if s.Summary.Left != "unverified" || s.Summary.Deregistered != "unverified" {
		t.Errorf("left %s, deregistered %s", s.Summary.Left, s.Summary.Deregistered)
	}
	life(s, "consul-agent", event.Left{Result: "skipped"})
	if s.Summary.Left != "skipped" {
		t.Errorf("left %s", s.Summary.Left)
	}
}

// The units are shown in the order of the rows, also who has not begun; one without a row
// comes last.
func TestTheUnitsAreThoseOfNow(t *testing.T) {
	s := life(New("envoy", "app"), "nobody", event.Start{}, "envoy", event.Start{}, "envoy", event.Exec{PID: 31}, "envoy", event.Listener{})
	if u := s.Units[0]; u.State != "starting" || u.PID != 31 || u.LastStep != "listener" {
		t.Errorf("%+v", u)
	}
	life(s, "envoy", event.Ready{})
	if u := s.Units[0]; u.State != "up" || u.PID != 31 {
		t.Errorf("%+v", u)
	}
	life(s, "envoy", event.Restart{Reason: "exit 1"})
	if len(s.Units) != 3 || s.Units[0].Unit != "envoy" || s.Units[1].Unit != "app" || s.Units[2].Unit != "nobody" {
		t.Fatalf("%+v", s.Units)
	}
	if u := s.Units[0]; u.Restarts != 1 || u.LastError != "exit 1" || s.Units[1].State != "waiting" {
		t.Errorf("%+v", u)
	}
	life(s, "envoy", event.Exec{PID: 32}, "envoy", event.Ended{Err: "killed"})
	if u := s.Units[0]; u.State != "ended" || u.PID != 0 || u.LastError != "killed" {
		t.Errorf("%+v", u)
	}
}
