package lifecycle

import (
	"fmt"
	"slices"
)

// Event is something that happened. Unknown, repeated and late events are
// legal in every state and do nothing.
type Event interface{ event() }

// The events.
type (
	// Begin starts the task.
	Begin struct{}
	// Ready says that a unit's dependents may start.
	Ready struct{ Unit Unit }
	// Ended says that a unit, and everything it started, has ended.
	Ended struct {
		Unit Unit
		Err  error
	}
	// StopRequested asks for the shutdown. Err says who asked, such as a signal.
	StopRequested struct{ Err error }
	// Hurry cuts the waits that Moot names; a second one kills what is left.
	// One that comes before the shutdown counts from its beginning: nothing
	// orders it after the request that it repeats.
	Hurry struct{}
	// DeadlinePassed says that the stop budget is spent: kill what is left.
	DeadlinePassed struct{}
)

func (Begin) event()          {}
func (Ready) event()          {}
func (Ended) event()          {}
func (StopRequested) event()  {}
func (Hurry) event()          {}
func (DeadlinePassed) event() {}

// Action is what the machine wants done.
type Action interface{ action() }

// The actions. Start, Stop and Kill are given at most once per unit.
type (
	// Start runs the unit.
	Start struct{ Unit Unit }
	// Shutdown says that the way down began, once, before any Stop.
	Shutdown struct{ Cause Cause }
	// Stop asks the unit to end in good order.
	Stop struct{ Unit Unit }
	// Kill ends the unit now: its wait is moot, or the budget is spent.
	Kill struct {
		Unit Unit
		Moot bool
	}
	// Finish says that every unit has ended. It is the last action.
	Finish struct{ Outcome Outcome }
)

func (Start) action()    {}
func (Shutdown) action() {}
func (Stop) action()     {}
func (Kill) action()     {}
func (Finish) action()   {}

// Cause is why the shutdown began: the unit that ended by itself, or, with
// Unit empty, the request that came.
type Cause struct {
	Unit Unit
	Err  error
}

// String gives the cause in words.
func (c Cause) String() string {
	switch {
	case c.Unit == "":
		return fmt.Sprint(c.Err)
	case c.Err == nil:
		return string(c.Unit) + " ended"
	}
	return fmt.Sprintf("%s: %v", c.Unit, c.Err)
}

// Outcome is what a whole life came to.
type Outcome struct {
	Cause  Cause
	Errs   map[Unit]error // of each unit that ended with one
	Killed []Unit         // at the deadline or the third signal, in order; moot waits are not listed
	Began  map[Unit]bool  // units that were started
}

type phase int

const (
	idle phase = iota
	up
	down
	finished
)

type state int

const (
	waiting state = iota // never started: counts as ended in a shutdown
	starting
	ready
	stopping
	ended
)

// Machine interprets a Timeline. It is pure: no goroutine, clock, log or I/O.
// It is not safe for concurrent use.
type Machine struct {
	rows    Timeline
	state   map[Unit]state
	killed  map[Unit]bool
	phase   phase
	hurries int  // of the task's whole life, counted up to 2
	spent   bool // the stop budget is
	outcome Outcome
}

// NewMachine returns a machine at rest. It keeps rows, which must not change.
func NewMachine(rows Timeline) *Machine {
	return &Machine{rows: rows, state: map[Unit]state{}, killed: map[Unit]bool{},
		outcome: Outcome{Errs: map[Unit]error{}, Began: map[Unit]bool{}}}
}

// Handle takes one event and returns what to do, in order.
func (m *Machine) Handle(e Event) []Action {
	var out []Action
	switch e := e.(type) {
	case Begin:
		if m.phase == idle {
			m.phase = up
		}
	case Ready:
		if m.state[e.Unit] == starting {
			m.state[e.Unit] = ready
		}
	case Ended:
		out = m.end(e)
	case StopRequested:
		out = m.shutdown(Cause{Err: e.Err})
	case Hurry:
		m.hurries = min(m.hurries+1, 2)
	case DeadlinePassed:
		m.spent = m.spent || m.phase == down
	}
	return m.advance(out)
}

// end notes that a unit ended. On the way up that begins the shutdown: a unit
// lives as long as its effect, so none may end unasked.
func (m *Machine) end(e Ended) []Action {
	switch m.state[e.Unit] {
	case starting, ready, stopping:
	default:
		return nil
	}
	m.state[e.Unit] = ended
	if e.Err != nil {
		m.outcome.Errs[e.Unit] = e.Err
	}
	return m.shutdown(Cause(e))
}

func (m *Machine) shutdown(c Cause) []Action {
	if m.phase != idle && m.phase != up {
		return nil
	}
	m.phase = down
	m.outcome.Cause = c
	return []Action{Shutdown{Cause: c}}
}

// advance adds what the table now asks for.
func (m *Machine) advance(out []Action) []Action {
	switch m.phase {
	case up:
		for _, r := range m.rows {
			if m.state[r.Unit] == waiting && m.allReady(r.Needs) {
				m.state[r.Unit] = starting
				m.outcome.Began[r.Unit] = true
				out = append(out, Start{Unit: r.Unit})
			}
		}
	case down:
		for _, r := range m.rows {
			out = append(out, m.wind(r)...)
		}
		if m.over() {
			m.phase = finished
			out = append(out, Finish{Outcome: m.outcome})
		}
	}
	return out
}

// wind gives the shutdown's actions for one row.
func (m *Machine) wind(r Row) []Action {
	if m.gone(r.Unit) {
		return nil
	}
	var out []Action
	if m.state[r.Unit] != stopping && m.allGone(r.After) {
		m.state[r.Unit] = stopping
		out = append(out, Stop{Unit: r.Unit})
	}
	if moot := m.moot(r); (moot || m.spent || m.hurries > 1) && !m.killed[r.Unit] {
		m.killed[r.Unit] = true
		if !moot {
			m.outcome.Killed = append(m.outcome.Killed, r.Unit)
		}
		out = append(out, Kill{Unit: r.Unit, Moot: moot})
	}
	return out
}

// moot tells whether what r waits for protects nothing any more.
func (m *Machine) moot(r Row) bool {
	if len(r.Moot) == 0 {
		return false
	}
	if slices.ContainsFunc(r.Moot, m.gone) {
		return true
	}
	return m.hurries > 0
}

func (m *Machine) allReady(units []Unit) bool {
	for _, u := range units {
		if m.state[u] != ready {
			return false
		}
	}
	return true
}

func (m *Machine) allGone(units []Unit) bool {
	for _, u := range units {
		if !m.gone(u) {
			return false
		}
	}
	return true
}

// gone holds for what has ended and, in a shutdown, for what never began.
func (m *Machine) gone(u Unit) bool { return m.state[u] == ended || m.state[u] == waiting }

func (m *Machine) over() bool {
	for _, r := range m.rows {
		if !m.gone(r.Unit) {
			return false
		}
	}
	return true
}
