package journal

import (
	"sync"
	"time"
)

// Unit is the live state of one unit.
type Unit struct {
	Unit     string    `json:"unit"`
	State    string    `json:"state"` // waiting, starting, up, stopping, ended
	Since    time.Time `json:"since,omitzero"`
	PID      int64     `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	Last     string    `json:"last,omitempty"` // the latest step, or how it ended
}

// Live is the sink that keeps the state of now, for whoever asks the task.
type Live struct {
	mu    sync.Mutex
	order []string
	units map[string]*Unit
}

// NewLive knows the units of one life, in the order in which they are shown.
func NewLive(units ...string) *Live {
	l := &Live{order: units, units: map[string]*Unit{}}
	for _, u := range units {
		l.units[u] = &Unit{Unit: u, State: "waiting"}
	}
	return l
}

// Add folds one entry in.
func (l *Live) Add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u, ok := l.units[e.Unit]
	if !ok {
		return
	}
	enter := func(state string) { u.State, u.Since = state, e.At }
	switch e.Event {
	case Start:
		enter("starting")
	case Ready:
		if u.State == "starting" {
			enter("up")
		}
	case Stop:
		enter("stopping")
	case Ended:
		enter("ended")
		u.PID, u.Last = 0, e.Detail
	case Restart:
		u.Restarts++
		u.Last = e.Detail
	case Step:
		switch e.Detail {
		case "exec":
			u.PID = e.Int("pid")
		case "exit":
			u.PID = 0
		case "hung": // it counts as down, until it answers
			enter("starting")
			u.Last = e.Detail
		case "answers":
			enter("up")
			u.Last = e.Detail
		default:
			u.Last = e.Detail
		}
	}
}

// Units is a copy of all states.
func (l *Live) Units() []Unit {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Unit, 0, len(l.order))
	for _, name := range l.order {
		out = append(out, *l.units[name])
	}
	return out
}
