package lifecycle

import (
	"fmt"
	"slices"
)

// The promises that the walk asserts at every step, stated in words of their own, not read
// off the table.

// promise is a rule of DESIGN §2. check looks at one step and says what is
// wrong with it, or "".
type promise struct {
	name  string
	check func(s step) string
}

// step is one transition: the machine before, the event, what it did, and the
// machine after.
type step struct {
	before, after *Machine
	event         Event
	actions       []Action
}

func (s step) starts(u Unit) bool { return slices.Contains(s.actions, Action(Start{Unit: u})) }
func (s step) stops(u Unit) bool  { return slices.Contains(s.actions, Action(Stop{Unit: u})) }
func (s step) has(u Unit) bool    { return s.after.rows.Has(u) }

// neverBefore: u is not started unless v is ready.
func startsAfter(u, v Unit) promise {
	return promise{fmt.Sprintf("%s never starts before %s is ready", u, v), func(s step) string {
		if s.has(v) && s.starts(u) && s.after.state[v] != ready {
			return fmt.Sprintf("%s started while %s is not ready", u, v)
		}
		return ""
	}}
}

// stopsAfter: u is not asked to stop unless v has ended or never began.
func stopsAfter(u, v Unit) promise {
	return promise{fmt.Sprintf("%s is never asked to stop before %s has ended", u, v), func(s step) string {
		if st := s.after.state[v]; s.has(v) && s.stops(u) && st != ended && st != waiting {
			return fmt.Sprintf("%s asked to stop while %s lives", u, v)
		}
		return ""
	}}
}

// mootWhen: in a shutdown u is not left waiting once v has ended.
func mootWhen(u, v Unit) promise {
	return promise{fmt.Sprintf("%s does not wait on when %s has ended", u, v), func(s step) string {
		gone := s.after.state[v] == ended || s.after.state[v] == waiting
		lives := s.after.state[u] != ended && s.after.state[u] != waiting
		if s.has(v) && s.after.phase == down && gone && lives && !s.after.killed[u] {
			return fmt.Sprintf("%s waits though %s has ended", u, v)
		}
		return ""
	}}
}

var always = []promise{
	startsAfter(ConsulAgent, Token), startsAfter(MeshInit, ConsulAgent), startsAfter(Envoy, MeshInit),
	startsAfter(HealthSync, MeshInit), startsAfter(Inbound, Envoy), startsAfter(App, Envoy),
	stopsAfter(Envoy, App), stopsAfter(App, HealthSync), stopsAfter(App, Inbound),
	stopsAfter(Inbound, HealthSync), stopsAfter(ConsulAgent, MeshInit), stopsAfter(ConsulAgent, Token),
	stopsAfter(Token, MeshInit),
	mootWhen(Inbound, App), mootWhen(Inbound, Envoy),
	{"a moot wait ends on hurry", func(s step) string {
		st := s.after.state[Inbound]
		if s.has(App) && s.has(Envoy) && s.after.hurried && s.after.phase == down && (st == starting || st == ready || st == stopping) && !s.after.killed[Inbound] {
			return "inbound waits after the second signal"
		}
		return ""
	}},
	{"nothing starts after the shutdown began", func(s step) string {
		for _, a := range s.actions {
			if st, ok := a.(Start); ok && s.before.phase >= down {
				return string(st.Unit) + " started in a shutdown"
			}
		}
		return ""
	}},
	{"a unit is started, stopped and killed at most once", func(s step) string {
		for _, a := range s.actions {
			switch a := a.(type) {
			case Start:
				if s.before.state[a.Unit] != waiting {
					return string(a.Unit) + " started twice"
				}
			case Stop:
				if s.before.state[a.Unit] == stopping {
					return string(a.Unit) + " stopped twice"
				}
			case Kill:
				if s.before.killed[a.Unit] {
					return string(a.Unit) + " killed twice"
				}
			}
		}
		return ""
	}},
	{"a stop is legal in any state", func(s step) string {
		if _, ok := s.event.(StopRequested); ok && s.after.phase < down {
			return "a stop request did not begin the shutdown"
		}
		return ""
	}},
	{"the shutdown always ends", func(s step) string {
		if s.after.phase != down {
			return ""
		}
		for _, r := range s.after.rows {
			if s.after.state[r.Unit] == stopping || s.after.killed[r.Unit] && s.after.state[r.Unit] != ended {
				return "" // somebody was asked to end, and its end moves the shutdown on
			}
		}
		return "dead end: nobody is being waited for"
	}},
	{"the deadline leaves nobody alive", func(s step) string {
		if _, ok := s.event.(DeadlinePassed); !ok || s.after.phase != down {
			return ""
		}
		for _, r := range s.after.rows {
			if st := s.after.state[r.Unit]; st != ended && st != waiting && !s.after.killed[r.Unit] {
				return string(r.Unit) + " was not killed at the deadline"
			}
		}
		return ""
	}},
	{"what has finished stays finished", func(s step) string {
		if s.before.phase == finished && len(s.actions) > 0 {
			return "actions after the end"
		}
		fin := slices.ContainsFunc(s.actions, func(a Action) bool { _, ok := a.(Finish); return ok })
		if fin != (s.before.phase != finished && s.after.phase == finished) {
			return "finish does not go with the end"
		}
		for _, r := range s.after.rows {
			if st := s.after.state[r.Unit]; fin && st != ended && st != waiting {
				return "finished while " + string(r.Unit) + " lives"
			}
		}
		return ""
	}},
}

var onlyDocumented = []promise{
	stopsAfter(ConsulAgent, Envoy), stopsAfter(MeshInit, Envoy), stopsAfter(Token, Envoy),
}

var onlyAgentFirst = []promise{
	stopsAfter(MeshInit, HealthSync), stopsAfter(Inbound, MeshInit), stopsAfter(App, MeshInit),
}
