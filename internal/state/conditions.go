package state

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"meshtask/internal/event"
)

// Condition is one thing that is to hold while a task is up (CONTRACT §6).
type Condition struct {
	Name   string      `json:"name"`
	OK     bool        `json:"ok"`
	Since  time.Time   `json:"since,omitzero"`
	Reason string      `json:"reason"` // why it does not hold
	Code   event.Code  `json:"code,omitempty"`
	Unit   string      `json:"-"` // that it is about
	Facts  event.Facts `json:"-"`
}

// recent is how long a restart counts as one that is not over.
const recent = time.Minute

// gravity is the order of conditions: what explains others stands before them. Those of
// upstreams stand where their prefix does.
func gravity() []string {
	return []string{event.CondAppReady, event.CondAppHealthy, event.CondEnvoyLive, event.CondListenerBound, event.CondAgentAlive, event.CondLeases,
		event.CondEnvoyConfigAccepted, event.CondUpstream, event.CondServiceToken, event.CondAgentToken, event.CondServersReachable,
		event.CondRegistered, event.CondGateway, event.CondCertificate, event.CondChecksPassing, event.CondMemory, event.CondStopBudget, event.CondRestarts}
}

// Conditions are all conditions that apply, as they are at this time, in the order of their
// gravity. A condition that does not apply is not among them.
func (s *State) Conditions(now time.Time) []Condition {
	all := map[string]Condition{}
	put := func(c Condition, applies bool) {
		if c.OK {
			c.Code, c.Reason, c.Facts = "", "", nil
		}
		if was, twice := all[c.Name]; applies && (!twice || was.OK) {
			all[c.Name] = c
		}
	}
	unit := func(name, of string, code event.Code) {
		u := s.find(of)
		if u != nil {
			c := u.condition(name, code)
			if before := u.State == Starting || u.State == Waiting; s.Up && before && !u.Hangs && of != "app" {
				c = Condition{Name: name, OK: true, Unit: of} // T2 says so, of a log that has no more
			}
			put(c, true)
		}
	}
	unit(event.CondAppReady, "app", event.AppNotReady)
	unit(event.CondAgentAlive, "consul-agent", event.ConsulDown)
	unit(event.CondEnvoyLive, "envoy", event.EnvoyDown)
	unit(event.CondListenerBound, "envoy", event.EnvoyDown)
	put(Condition{Name: event.CondAppHealthy, OK: s.App.OK, Since: s.App.Since, Reason: s.App.Reason, Code: event.AppIsUnhealthy, Unit: "app"}, s.App.Check)
	put(Condition{Name: event.CondRegistered, OK: s.Listed.OK, Since: s.Listed.Since, Reason: s.Listed.Reason, Code: event.NotRegistered, Unit: "mesh-init"}, !s.Listed.Since.IsZero())
	put(Condition{Name: event.CondChecksPassing, OK: s.Passing.OK, Since: s.Passing.Since, Reason: s.Passing.Reason, Code: event.ChecksCritical, Unit: "health-sync"}, !s.Passing.Since.IsZero())
	put(s.leases(), len(s.Leases) > 0)
	put(s.restarts(now), s.anyProcess())
	for _, c := range s.Told {
		put(c, true)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Condition) int {
		return cmp.Or(cmp.Compare(rank(a.Name), rank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
}

// rank is the place of a condition in the order of gravity.
func rank(name string) int {
	if strings.HasPrefix(name, event.CondUpstream) {
		name = event.CondUpstream
	}
	if i := slices.Index(gravity(), name); i >= 0 {
		return i
	}
	return len(gravity())
}

// Failing are those conditions that do not hold.
func Failing(all []Condition) []Condition {
	return slices.DeleteFunc(slices.Clone(all), func(c Condition) bool { return c.OK })
}

// condition is whether the unit is up.
func (u *Unit) condition(name string, code event.Code) Condition {
	c := Condition{Name: name, OK: u.State == Running, Since: u.Since, Code: code, Unit: u.Unit}
	switch {
	case c.OK:
	case u.Suspended:
		c.Code, c.Reason = event.AppSuspended, u.LastError
	case u.Hangs:
		c.Code, c.Reason = event.Hangs, cmp.Or(u.LastError, "it does not answer")
	case u.Wait != nil:
		c.Code, c.Facts = cmp.Or(u.Wait.Code, code), u.Wait.Facts
		c.Reason = strings.TrimSuffix(u.Wait.What+": "+u.Wait.Err, ": ")
	default:
		c.Reason = cmp.Or(u.LastError, u.State)
	}
	return c
}

// leases does not hold while a sibling's lease is lost.
func (s *State) leases() Condition {
	c := Condition{Name: event.CondLeases, OK: true, Unit: "app"}
	for _, name := range s.LeaseNames() {
		if l := s.Leases[name]; l.Lost {
			c.OK, c.Since, c.Code, c.Facts = false, l.Since, event.LeaseIsLost, event.Facts{"container": name}
			c.Reason = "the lease of container " + name + " is lost"
			return c
		}
		c.Since = later(c.Since, s.Leases[name].Since)
	}
	return c
}

// restarts does not hold while a unit restarts, and a minute longer.
func (s *State) restarts(now time.Time) Condition {
	c := Condition{Name: event.CondRestarts, OK: true}
	for _, u := range s.Units {
		if u.State == Restarting && u.Restarts > 0 {
			return Condition{Name: event.CondRestarts, Since: u.Since, Reason: u.Unit + " is being restarted: " + u.LastError, Code: event.Restarted, Unit: u.Unit,
				Facts: s.LastRestartOf(u.Unit).Facts(u.Restarts)}
		}
	}
	r, ok := s.LastRestart.Event.(event.Restart)
	if at := s.RestartedAt; ok {
		c.Since = at.Add(recent)
		if now.Sub(at) < recent {
			c = Condition{Name: event.CondRestarts, Since: at, Reason: s.LastRestart.Unit + " was restarted: " + r.Reason, Code: event.Restarted, Unit: s.LastRestart.Unit,
				Facts: r.Facts(s.Unit(s.LastRestart.Unit).Restarts)}
		}
	}
	return c
}

// LastRestartOf is a unit's latest, as far as the latest of all was its.
func (s *State) LastRestartOf(unit string) event.Restart {
	r, _ := s.LastRestart.Event.(event.Restart)
	if s.LastRestart.Unit != unit {
		return event.Restart{}
	}
	return r
}

// anyProcess says whether some unit has had a process.
func (s *State) anyProcess() bool { return len(s.Summary.Restarts) > 0 }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Fact is something that entries say of the whole task, and since when.
type Fact struct {
	OK     bool
	Since  time.Time
	Reason string // why it is not so
}

func (f *Fact) now(ok bool, at time.Time, reason string) {
	if f.OK != ok || f.Since.IsZero() {
		f.Since = at
	}
	f.OK, f.Reason = ok, reason
}

// tell folds in what an entry says of conditions.
func (s *State) tell(e event.Entry) {
	switch ev := e.Event.(type) {
	case event.Registered:
		s.Listed.now(true, e.At, "")
	case event.Removed:
		s.Listed.now(false, e.At, "it is out of the servers' catalog")
	case event.Deregistered:
		s.Listed.now(false, e.At, "it is deregistered")
	case event.Passing:
		s.Passing.now(true, e.At, "")
		delete(s.Told, event.CondChecksPassing) // a look was before it: the next one tells what it sees
	case event.Critical:
		s.Passing.now(false, e.At, ev.Reason)
	case event.Condition:
		c := Condition{Name: ev.Name, OK: ev.OK, Since: e.At, Reason: ev.Reason, Code: ev.Code, Unit: e.Unit, Facts: ev.Facts}
		if was, ok := s.Told[ev.Name]; ok && was.OK == c.OK {
			c.Since = was.Since
		}
		s.Told[ev.Name] = c
	}
}
