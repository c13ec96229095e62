// Package state says how it is with a task: one fold over the entries of its record.
//
// Live it is kept by the journal behind its lock, and status, health, metrics, the summary
// and the exit code read it; of a task that is gone it is made of the record, and `why`
// reads it. It is pure, and knows no unit's insides.
package state

import (
	"maps"
	"slices"
	"time"

	"meshtask/internal/event"
)

// State is what the entries so far come to. Make one with New.
type State struct {
	Last     time.Time // of the last entry
	Ms       float64
	Up       bool // T2 has been reached
	Stopping bool // the stop has begun
	StopAt   time.Time
	StopMs   float64
	Finished *event.Finish // nil while the task lives, or when its record breaks off
	EndAt    time.Time
	Units    []*Unit // in the order in which they are shown
	Leases   map[string]Lease
	Summary  Summary

	Listens string      // where Envoy takes traffic of the mesh, as it said last
	Drained bool        // the drain of the inbound listeners is over
	Removed bool        // the instance is out of the servers' catalog
	Joins   int         // how often the agent has joined
	Joined  time.Time   // the last time
	App     AppHealth   // as it was told last
	AppExit *event.Exit // of the app's last life; nil: it never ran
	Kills   []Entry     // processes that were sent KILL
	OOM     []Entry
	Unclean []Entry // a drain that was cut, a leave or a deregistration that was not seen

	Told   map[string]Condition // by name: what event.Condition has told
	AtStop []Condition          // as they were when the stop began

	AwaitedAtStop []Awaited         // what was waited for then
	StopReason    *event.StopReason // why it was asked to stop, as far as that was told

	Restarts    int   // of all units
	LastRestart Entry // the latest

	RestartedAt time.Time // of LastRestart

	Listed  Fact // at the servers
	Passing Fact // every check
}

// AppHealth is the app's own health, whatever the rest of the task is. Zero: it is not known.
type AppHealth struct {
	OK     bool
	Reason string // why it is not
	Check  bool   // health.app has said so, now or before
	Since  time.Time
}

// Awaited is what a unit waited for.
type Awaited struct {
	Unit string
	Wait Wait
}

// Entry is an event of one unit, where only those count.
type Entry struct {
	Unit  string
	Ms    float64
	Event event.Event
}

// Lease is how it is with a sibling's lease.
type Lease struct {
	Held  bool
	Lost  bool // its connection ended without a word
	Code  *int // its app's exit code, once it has ended
	Since time.Time
}

// The states of a unit.
const (
	Waiting    = "waiting"    // it has not started
	Starting   = "starting"   // until it is ready; again while its process hangs
	Running    = "up"         // ready, and its process answers
	Restarting = "restarting" // its process has ended and is started again
	Stopping   = "stopping"   // it has been asked to end
	Ended      = "ended"
)

// Unit is the state of one unit.
type Unit struct {
	Unit     string    `json:"unit"`
	State    string    `json:"state"`
	Since    time.Time `json:"since,omitzero"` // of State
	PID      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	// LastError is why its process ended last, or what the unit ended with.
	LastError string `json:"last_error,omitempty"`
	LastStep  string `json:"last,omitempty"`

	Wait      *Wait     `json:"waits,omitempty"` // what it waits for now
	Waited    *Wait     `json:"-"`               // the longest wait that the record names
	Ready     bool      `json:"-"`               // it has been ready once
	Hangs     bool      `json:"-"`               // its process runs and does not answer
	Suspended bool      `json:"-"`               // its process is stopped by a signal
	Again     time.Time `json:"-"`               // when it was last ready after a restart
}

// Last is the latest that is known of the unit: its error, else its step.
func (u Unit) Last() string {
	if u.State != Running && u.LastError != "" {
		return u.LastError
	}
	return u.LastStep
}

// Wait is what a unit waits for.
type Wait struct {
	Code  event.Code  `json:"code,omitempty"`
	What  string      `json:"what"`
	Since time.Time   `json:"since"`
	Err   string      `json:"error,omitempty"`
	Fix   string      `json:"hint,omitempty"`
	Facts event.Facts `json:"facts,omitempty"`
}

// New is the state of a life that has not begun, whose units are shown in this order.
func New(units ...string) *State {
	s := &State{Told: map[string]Condition{}, Leases: map[string]Lease{}, Summary: newSummary()}
	for _, u := range units {
		s.Units = append(s.Units, &Unit{Unit: u, State: Waiting})
	}
	return s
}

// Of is the state that a record comes to. Its units are those that the record names.
func Of(entries []event.Entry) *State {
	s := New()
	for _, e := range entries {
		s.Apply(e)
	}
	return s
}

// Unit is the unit of that name; one that is not known is "waiting", and the caller's alone.
func (s *State) Unit(name string) *Unit {
	if u := s.find(name); u != nil {
		return u
	}
	return &Unit{Unit: name, State: Waiting}
}

// Phase is the word for it: STARTING, RUNNING, STOPPING, or ENDED.
func (s *State) Phase() string {
	switch {
	case s.Finished != nil:
		return "ENDED"
	case s.Stopping:
		return "STOPPING"
	case s.Up:
		return "RUNNING"
	}
	return "STARTING"
}

// Rows are the units that are rows of the timeline: all but the task itself, which waits for
// its identity.
func (s *State) Rows() []*Unit {
	return slices.DeleteFunc(slices.Clone(s.Units), func(u *Unit) bool { return u.Unit == event.Task })
}

// LeaseNames are the names in Leases, sorted.
func (s *State) LeaseNames() []string { return slices.Sorted(maps.Keys(s.Leases)) }

func (s *State) find(name string) *Unit {
	if i := slices.IndexFunc(s.Units, func(u *Unit) bool { return u.Unit == name }); i >= 0 {
		return s.Units[i]
	}
	return nil
}

// Apply folds one entry in.
func (s *State) Apply(e event.Entry) {
	s.Last, s.Ms = e.At, max(s.Ms, e.Ms)
	s.Summary.apply(e)
	u := s.find(e.Unit)
	if u == nil && e.Unit != event.Task {
		u = &Unit{Unit: e.Unit, State: Waiting}
		s.Units = append(s.Units, u)
	}
	switch ev := e.Event.(type) {
	case event.Mark:
		s.Up = s.Up || e.Way == event.Up && ev.Name == "T2"
		return
	case event.Shutdown:
		s.AtStop = s.Conditions(e.At)
		for _, u := range s.Units {
			if u.Wait != nil {
				s.AwaitedAtStop = append(s.AwaitedAtStop, Awaited{u.Unit, *u.Wait})
			}
		}
		s.Stopping, s.StopAt, s.StopMs = true, e.At, e.Ms
		return
	case event.StopReason:
		s.StopReason = &ev
		return
	case event.Finish:
		if s.Finished == nil {
			s.Finished, s.EndAt = &ev, e.At
		}
		return
	}
	if u == nil { // the task itself waits, for its identity
		u = &Unit{Unit: event.Task}
		s.Units = append(s.Units, u)
	}
	u.apply(e)
	s.apply(e, u)
	s.tell(e)
}

// now folds in what is said of the app. That it is not ready takes nothing back of whether it
// has a check.
func (a *AppHealth) now(ok bool, reason string, check bool, at time.Time) {
	if a.OK != ok || a.Since.IsZero() {
		a.Since = at
	}
	a.OK, a.Reason, a.Check = ok, reason, a.Check || check
}

// apply folds what one unit's event means for the whole task.
func (s *State) apply(e event.Entry, u *Unit) {
	switch ev := e.Event.(type) {
	case event.Joined:
		s.Joins, s.Joined = s.Joins+1, e.At
	case event.AppHealthy:
		s.App.now(true, "", ev.Check, e.At)
	case event.AppUnhealthy:
		s.App.now(false, ev.Reason, ev.Check, e.At)
	case event.Listener:
		s.Listens = ev.Address
	case event.Removed:
		s.Removed = true
	case event.Restart:
		s.Restarts, s.LastRestart, s.RestartedAt = s.Restarts+1, Entry{e.Unit, e.Ms, ev}, e.At
	case event.Drained:
		s.Drained = true
		s.unclean(e, ev.End > 0)
	case event.Left:
		s.unclean(e, ev.Result == Unverified)
	case event.Deregistered:
		s.Removed = s.Removed || ev.Result == Verified
		s.unclean(e, ev.Result == Unverified)
	case event.Passing, event.Registered:
		s.Removed = false
	case event.Exit:
		if e.Unit == "app" {
			s.AppExit = &ev
		}
	case event.Killed:
		s.Kills = append(s.Kills, Entry{e.Unit, e.Ms, ev})
	case event.OutOfMemory:
		s.OOM = append(s.OOM, Entry{e.Unit, e.Ms, ev})
	case event.Lease:
		s.Leases[ev.Name] = Lease{Held: true, Since: e.At}
	case event.LeaseEnded:
		s.Leases[ev.Name] = Lease{Code: &ev.Code, Since: e.At}
	case event.LeaseLost:
		s.Leases[ev.Name] = Lease{Lost: true, Since: e.At}
	case event.LeaseForgotten:
		delete(s.Leases, ev.Name)
	}
}

func (s *State) unclean(e event.Entry, so bool) {
	if so {
		s.Unclean = append(s.Unclean, Entry{e.Unit, e.Ms, e.Event})
	}
}

// apply folds in what happened to the unit.
func (u *Unit) apply(e event.Entry) {
	enter := func(state string) {
		if u.State != state {
			u.State, u.Since = state, e.At
		}
	}
	enterFrom := func(from, to string) {
		if u.State == from {
			enter(to)
		}
	}
	switch ev := e.Event.(type) {
	case event.Start:
		enter(Starting)
	case event.Ready:
		u.Ready, u.Wait = true, nil
		enterFrom(Starting, Running)
	case event.Stop:
		enter(Stopping)
	case event.Ended:
		enter(Ended)
		u.PID, u.Wait = 0, nil
		if ev.Err != "" {
			u.LastError = ev.Err
		}
	case event.Restart:
		u.Restarts++
		u.LastError, u.PID = ev.Reason, 0
		enterFrom(Running, Restarting)
	case event.Exec:
		u.PID = ev.PID
	case event.Exit:
		u.PID, u.Hangs, u.Suspended = 0, false, false
		enterFrom(Running, Restarting) // until it is known to be the end
	case event.Hung:
		u.LastError, u.Hangs = ev.Err, true
		enterFrom(Running, Starting)
	case event.Answers:
		u.Hangs = false
		enterFrom(Starting, Running)
	case event.Suspended:
		u.LastError, u.Suspended = "stopped by "+ev.Signal, true
		enterFrom(Running, Starting)
	case event.Resumed:
		u.Suspended = false
		if u.Ready {
			enterFrom(Starting, Running)
		}
	case event.Serving:
		if u.State == Restarting {
			u.Again = e.At
		}
		u.Hangs = false
		enterFrom(Restarting, Running)
	case event.Waiting:
		w := &Wait{Code: ev.Code, What: ev.What, Since: e.At.Add(-ev.Since), Err: ev.Err, Fix: ev.Fix, Facts: ev.Facts}
		if old := u.Wait; old != nil && old.What == w.What && ev.Said == 0 {
			w.Since = old.Since // the same wait, with another error
		}
		u.Wait = w
		if ev.Said > 0 {
			u.Waited = w
		}
	case event.WaitOver:
		u.Wait = nil
	case event.AppHealthy, event.AppUnhealthy, event.Condition: // are not this unit's
	default:
		u.step(e.Event)
	}
}

func (u *Unit) step(ev event.Event) {
	if detail, ok := event.Step(ev); ok {
		u.LastStep = detail
	}
}
