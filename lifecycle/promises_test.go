package lifecycle

import (
	"fmt"
	"slices"
)

// The promises that the walk asserts at every step, stated in words of their own: over what
// has happened to the machine and what it has done about it, never over what it remembers.

// promise is a rule of DESIGN §2. check looks at one step and says what is
// wrong with it, or "".
type promise struct {
	name  string
	check func(s step) string
}

// step is one event, what the machine did about it, and the history before and after.
type step struct {
	before, after history
	event         Event
	actions       []Action
}

func (s step) starts(u Unit) bool { return slices.Contains(s.actions, Action(Start{Unit: u})) }
func (s step) stops(u Unit) bool  { return slices.Contains(s.actions, Action(Stop{Unit: u})) }
func (s step) has(u Unit) bool    { return s.after.rows.Has(u) }

// startsAfter: u is not started unless v is ready.
func startsAfter(u, v Unit) promise {
	return promise{fmt.Sprintf("%s never starts before %s is ready", u, v), func(s step) string {
		if s.has(v) && s.starts(u) && !(s.after.of(v).ready && s.after.lives(v)) {
			return fmt.Sprintf("%s started while %s is not ready", u, v)
		}
		return ""
	}}
}

// stopsAfter: u is not asked to stop unless v has ended or never began.
func stopsAfter(u, v Unit) promise {
	return promise{fmt.Sprintf("%s is never asked to stop before %s has ended", u, v), func(s step) string {
		if s.has(v) && s.stops(u) && s.after.lives(v) {
			return fmt.Sprintf("%s asked to stop while %s lives", u, v)
		}
		return ""
	}}
}

// mootWhen: in a shutdown u is not left waiting once v has ended.
func mootWhen(u, v Unit) promise {
	return promise{fmt.Sprintf("%s does not wait on when %s has ended", u, v), func(s step) string {
		if s.has(v) && s.after.down && !s.after.lives(v) && s.after.lives(u) && !s.after.of(u).killed {
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
	{"the second signal ends a moot wait, whenever it comes", func(s step) string {
		if s.has(App) && s.has(Envoy) && s.after.down && s.after.hurries > 0 && s.after.lives(Inbound) && !s.after.of(Inbound).killed {
			return "inbound waits after the second signal"
		}
		return ""
	}},
	{"the third signal kills what is left, whenever it comes", func(s step) string {
		if u := s.after.spared(); s.after.down && s.after.hurries > 1 && u != "" {
			return string(u) + " was not killed at the third signal"
		}
		return ""
	}},
	{"nothing starts after the shutdown began", func(s step) string {
		for _, a := range s.actions {
			if st, ok := a.(Start); ok && s.before.down {
				return string(st.Unit) + " started in a shutdown"
			}
		}
		return ""
	}},
	{"the shutdown begins once", func(s step) string {
		for _, a := range s.actions {
			if _, ok := a.(Shutdown); ok && s.before.down {
				return "it began again"
			}
		}
		return ""
	}},
	{"a unit is started, stopped and killed at most once", func(s step) string {
		for _, a := range s.actions {
			switch a := a.(type) {
			case Start:
				if s.before.of(a.Unit).started {
					return string(a.Unit) + " started twice"
				}
			case Stop:
				if s.before.of(a.Unit).asked {
					return string(a.Unit) + " stopped twice"
				}
			case Kill:
				if s.before.of(a.Unit).killed {
					return string(a.Unit) + " killed twice"
				}
			}
		}
		return ""
	}},
	{"only what lives is stopped or killed", func(s step) string {
		for _, a := range s.actions {
			switch a := a.(type) {
			case Stop:
				if !s.after.lives(a.Unit) {
					return string(a.Unit) + " stopped though it does not live"
				}
			case Kill:
				if !s.after.lives(a.Unit) {
					return string(a.Unit) + " killed though it does not live"
				}
			}
		}
		return ""
	}},
	{"a stop is legal in any state", func(s step) string {
		if _, ok := s.event.(StopRequested); ok && !s.after.down {
			return "a stop request did not begin the shutdown"
		}
		return ""
	}},
	{"the shutdown always ends", func(s step) string {
		if !s.after.down || s.after.finished {
			return ""
		}
		for _, r := range s.after.rows {
			if u := s.after.of(r.Unit); s.after.lives(r.Unit) && (u.asked || u.killed) {
				return "" // somebody was asked to end, and its end moves the shutdown on
			}
		}
		return "dead end: nobody is being waited for"
	}},
	{"the deadline leaves nobody alive", func(s step) string {
		if _, ok := s.event.(DeadlinePassed); !ok || !s.after.down {
			return ""
		}
		if u := s.after.spared(); u != "" {
			return string(u) + " was not killed at the deadline"
		}
		return ""
	}},
	{"what has finished stays finished", func(s step) string {
		if s.before.finished && len(s.actions) > 0 {
			return "actions after the end"
		}
		for _, r := range s.after.rows {
			if s.after.finished && s.after.lives(r.Unit) {
				return "finished while " + string(r.Unit) + " lives"
			}
		}
		return ""
	}},
	{"a shutdown in which nothing lives has finished", func(s step) string {
		alive := slices.ContainsFunc(s.after.rows, func(r Row) bool { return s.after.lives(r.Unit) })
		if s.after.down && !alive && !s.after.finished {
			return "nothing lives, and it goes on"
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

// Without an app it is the drain that Envoy outlives.
var onlyGateway = []promise{
	stopsAfter(Envoy, HealthSync), stopsAfter(Envoy, Inbound),
}
