package lifecycle

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The walk visits every reachable state of the machine under a hostile
// environment: every event of every unit in every state, nonsense included.
// The promises are stated here in words of their own, not read off the table.

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

func (m *Machine) clone() *Machine {
	c := *m
	c.state, c.killed = maps.Clone(m.state), maps.Clone(m.killed)
	c.outcome.Errs, c.outcome.Began = maps.Clone(m.outcome.Errs), maps.Clone(m.outcome.Began)
	c.outcome.Killed = slices.Clone(m.outcome.Killed)
	return &c
}

// key names a state. What no decision reads is left out: the outcome, who of
// the ended was killed, and in a shutdown whether the gone ever began.
func (m *Machine) key() string {
	key := []byte{byte(m.phase), 0, 0}
	if m.phase == finished {
		return string(key)
	}
	for _, r := range m.rows {
		s := byte(m.state[r.Unit])
		switch {
		case m.phase == down && m.gone(r.Unit):
			s = byte(ended)
		case m.killed[r.Unit]:
			s |= 16
		}
		key = append(key, s)
	}
	if m.hurried {
		key[1] = 1
	}
	if m.spent {
		key[2] = 1
	}
	return string(key)
}

func environment(rows Timeline) []Event {
	events := []Event{Begin{}, StopRequested{Err: errors.New("TERM")}, Hurry{}, DeadlinePassed{}, Ready{Unit: "nobody"}, Ended{Unit: "nobody"}}
	for _, r := range rows {
		events = append(events, Ready{Unit: r.Unit}, Ended{Unit: r.Unit}, Ended{Unit: r.Unit, Err: errors.New("crash")})
	}
	return events
}

// walk returns the counts and the first broken promise with the shortest path
// of events that leads to it.
func walk(rows Timeline, promises []promise) (states, transitions int, broken string) {
	type node struct {
		m    *Machine
		path []Event
	}
	first := NewMachine(rows)
	seen := map[string]bool{first.key(): true}
	queue := []node{{m: first}}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		states++
		for _, e := range environment(rows) {
			after := n.m.clone()
			s := step{before: n.m, after: after, event: e, actions: after.Handle(e)}
			if n.m.key() != after.key() {
				transitions++
			}
			path := append(slices.Clone(n.path), e)
			for _, p := range promises {
				if wrong := p.check(s); wrong != "" {
					return states, transitions, fmt.Sprintf("%s: %s after %v", p.name, wrong, describe(path))
				}
			}
			if !seen[after.key()] {
				seen[after.key()] = true
				queue = append(queue, node{m: after, path: path})
			}
		}
	}
	return states, transitions, ""
}

func describe(path []Event) string {
	var words []string
	for _, e := range path {
		words = append(words, strings.TrimPrefix(fmt.Sprintf("%T%v", e, e), "lifecycle."))
	}
	return strings.Join(words, " ")
}

var timelines = map[string]struct {
	rows     func() Timeline
	promises []promise
}{
	"documented":  {Documented, slices.Concat(always, onlyDocumented)},
	"agent-first": {AgentFirst, slices.Concat(always, onlyAgentFirst)},
}

func TestEveryReachableStateKeepsEveryPromise(t *testing.T) {
	for name, tl := range timelines {
		states, transitions, broken := walk(tl.rows(), tl.promises)
		if broken != "" {
			t.Errorf("%s: %s", name, broken)
		}
		t.Logf("%s: %d states, %d transitions", name, states, transitions)
		if states < 300 || transitions < 3000 {
			t.Errorf("%s: only %d states and %d transitions were walked", name, states, transitions)
		}
	}
}

// Every subset is more than the modes make, and none may need a branch.
func TestEverySubsetKeepsEveryPromise(t *testing.T) {
	for name, tl := range timelines {
		for bits := range 1 << len(tl.rows()) {
			rows := tl.rows()
			var drop []Unit
			for i, r := range rows {
				if bits>>i&1 == 1 {
					drop = append(drop, r.Unit)
				}
			}
			if _, _, broken := walk(rows.Without(drop...), tl.promises); broken != "" {
				t.Errorf("%s without %v: %s", name, drop, broken)
			}
		}
	}
}

// Dropping any single condition of the table must fail the walk: a condition
// that no promise needs would be dead, a promise that nothing breaks toothless.
func TestTheWalkHasTeeth(t *testing.T) {
	columns := map[string]func(*Row) *[]Unit{
		"needs": func(r *Row) *[]Unit { return &r.Needs },
		"after": func(r *Row) *[]Unit { return &r.After },
		"moot":  func(r *Row) *[]Unit { return &r.Moot },
	}
	for name, tl := range timelines {
		mutants := 0
		for column, field := range columns {
			for i := range tl.rows() {
				for j := range *field(&tl.rows()[i]) {
					rows := tl.rows()
					list := field(&rows[i])
					gone := (*list)[j]
					*list = slices.Delete(slices.Clone(*list), j, j+1)
					mutants++
					if _, _, broken := walk(rows, tl.promises); broken == "" {
						t.Errorf("%s: %s lost %s %s and no promise noticed", name, rows[i].Unit, column, gone)
					}
				}
			}
		}
		if mutants < 15 {
			t.Errorf("%s: only %d mutants were tried", name, mutants)
		}
	}
}
