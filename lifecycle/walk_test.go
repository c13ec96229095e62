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
	key[1] = byte(m.hurries)
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
		h    history
		path []Event
	}
	first, none := NewMachine(rows), history{rows: rows}
	seen := map[string]bool{first.key() + none.key(): true}
	queue := []node{{m: first, h: none}}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		states++
		for _, e := range environment(rows) {
			after := n.m.clone()
			s := step{before: n.h, event: e, actions: after.Handle(e)}
			s.after = n.h.and(e, s.actions)
			if n.m.key() != after.key() {
				transitions++
			}
			path := append(slices.Clone(n.path), e)
			for _, p := range promises {
				if wrong := p.check(s); wrong != "" {
					return states, transitions, fmt.Sprintf("%s: %s after %v", p.name, wrong, describe(path))
				}
			}
			if key := after.key() + s.after.key(); !seen[key] {
				seen[key] = true
				queue = append(queue, node{m: after, h: s.after, path: path})
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
	"gateway":     {func() Timeline { return Documented().Gateway() }, slices.Concat(always, onlyDocumented, onlyGateway)},
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
