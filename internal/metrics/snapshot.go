// Package metrics says what a task tells Prometheus: a table of our metrics, each with what it
// means, and which of Envoy's and of the agent's stand beside them.
//
// It is pure: it takes a snapshot and gives numbers. It does not ask Envoy, the agent or the
// kernel, and serves nothing.
package metrics

import (
	"maps"
	"slices"
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/state"
	"meshtask/internal/usage"
)

// Snapshot is all that is told at one moment. State fills in what the record knows; the rest is
// the caller's, and what is left out is not told.
type Snapshot struct {
	Version, Kind, Service string
	Uptime                 time.Duration

	Phase      string // STARTING, RUNNING, STOPPING
	Up         bool
	Healthy    bool
	Conditions []state.Condition
	Units      []state.Unit
	Waits      map[string]time.Duration // for how long a unit has been waiting, by unit
	Marks      map[string]map[string]float64
	Kills      map[string]int // by unit
	OOM        int64
	Leases     *Leases
	Drained    *state.Drain // nil: not yet

	StopBudget time.Duration // until the last KILL
	Stopping   time.Duration // since the stop began; 0: it has not

	Writes    *Results         // of check statuses at the agent
	Requests  map[string]int64 // to the task metadata endpoint, by result
	Processes []usage.Usage
	LinesLost int64
	Sources   []Source
}

// Results counts what went well and what did not.
type Results struct{ OK, Failed int }

// Leases counts the app containers that hold a lease, and those that have lost theirs.
type Leases struct{ Held, Lost int }

// Source is somebody else whose metrics stand in the same answer.
type Source struct {
	Name string
	Up   bool
	Took time.Duration
}

// Of is what the record knows at this time.
func Of(s *state.State, now time.Time) Snapshot {
	out := Snapshot{Phase: s.Phase(), Up: s.Up && !s.Stopping, Conditions: s.Conditions(now), Waits: map[string]time.Duration{},
		Marks: map[string]map[string]float64{}, Kills: map[string]int{}}
	for _, u := range s.Rows() {
		out.Units = append(out.Units, *u)
	}
	for _, u := range s.Units {
		if u.Wait != nil {
			out.Waits[u.Unit] = max(0, now.Sub(u.Wait.Since))
		}
	}
	for way, marks := range s.Summary.Marks {
		out.Marks[way] = maps.Clone(marks)
	}
	for _, e := range s.Kills {
		if k, ok := e.Event.(event.Killed); ok && k.PID != 0 { // else an order, carried out by a later one
			out.Kills[e.Unit]++
		}
	}
	for _, e := range s.OOM {
		if o, ok := e.Event.(event.OutOfMemory); ok {
			out.OOM += o.Kills
		}
	}
	if s.Stopping {
		out.Stopping = max(0, now.Sub(s.StopAt))
	}
	if len(s.Leases) > 0 {
		out.Leases = &Leases{}
		for _, l := range s.Leases {
			if l.Held {
				out.Leases.Held++
			}
			if l.Lost {
				out.Leases.Lost++
			}
		}
	}
	if s.Drained {
		d := s.Summary.Drain
		out.Drained = &d
	}
	return out
}

// Failing are the names of the conditions that do not hold.
func (s Snapshot) Failing() []string {
	var out []string
	for _, c := range s.Conditions {
		if !c.OK {
			out = append(out, c.Name)
		}
	}
	return out
}

// Restarts are those of all units.
func (s Snapshot) Restarts() (n int) {
	for _, u := range s.Units {
		n += u.Restarts
	}
	return n
}

// phases are the words of meshtask_state.
func phases() []string { return []string{"starting", "running", "stopping"} }

// states are the words of meshtask_unit_state.
func states() []string {
	return []string{state.Waiting, state.Starting, state.Running, state.Restarting, state.Stopping, state.Ended}
}

// sortedKeys are the keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// lower is a phase as a label has it.
func lower(phase string) string { return strings.ToLower(phase) }
