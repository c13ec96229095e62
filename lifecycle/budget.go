package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The end of the budget (CONTRACT §3, T4): the last KILL is given 700 ms before
// ECS's own, and 200 ms later the process must have exited.
const (
	killReserve = 700 * time.Millisecond
	appDefault  = 10 * time.Second
)

// MaxDrain is the longest drain where none was given: Envoy's default route timeout, which
// no http request of the mesh outlives.
const MaxDrain = 15 * time.Second

// The fixed steps, in the order in which they are served: the leave before the
// others. minimum is the smallest share that is worth trying, want is DESIGN §2's
// column "at most", and of a tight budget no step gets more than one part.
var fixed = []struct {
	unit          Unit
	minimum, want time.Duration
	part          time.Duration
}{
	{ConsulAgent, 1200 * time.Millisecond, 2500 * time.Millisecond, 3},
	{HealthSync, 300 * time.Millisecond, 2 * time.Second, 10},
	{Envoy, 500 * time.Millisecond, 3 * time.Second, 8},
	{MeshInit, 200 * time.Millisecond, time.Second, 20},
	{Token, 200 * time.Millisecond, time.Second, 20},
}

// StopSettings is what the user said of the stop. A nil duration was not given
// and may shrink to fit; a given one is kept or refused.
type StopSettings struct {
	StopTimeout time.Duration
	Drain       bool // false: no propagation wait and no drain
	Propagation time.Duration
	// PropagationGiven says that Propagation must not shrink.
	PropagationGiven bool
	DrainMin         time.Duration
	DrainMax         *time.Duration
	AppTimeout       *time.Duration
}

// StopPlan is the budget of one stop, spent step by step. It is made by
// PlanStop and never changes; what a step leaves unused falls to the next ones.
type StopPlan struct {
	StopTimeout time.Duration
	KillAfter   time.Duration // from the begin of the stop to the last KILL
	Propagation time.Duration
	DrainMin    time.Duration
	DrainMax    time.Duration
	shares      map[Unit]time.Duration
	rows        Timeline
}

// PlanStop splits the stop budget backwards over the rows of t. It fails with
// the numbers when what was given cannot fit.
func PlanStop(t Timeline, s StopSettings) (StopPlan, error) {
	p := StopPlan{StopTimeout: s.StopTimeout, KillAfter: s.StopTimeout - killReserve, shares: map[Unit]time.Duration{}, rows: t}
	if p.KillAfter <= 0 {
		return p, fmt.Errorf("stop timeout %v is not above the %v kept for the end", s.StopTimeout, killReserve)
	}
	for _, f := range fixed {
		if t.Has(f.unit) {
			p.shares[f.unit] = f.minimum
		}
	}
	firm := p.firm(s)
	if path := p.path(); path > p.KillAfter {
		return p, fmt.Errorf("%s need %v, but a stop timeout of %v leaves %v", strings.Join(firm, " + "), path, s.StopTimeout, p.KillAfter)
	}
	for _, f := range fixed {
		p.grow(f.unit, min(f.want, p.KillAfter/f.part))
	}
	p.soft(s)
	return p, nil
}

// firm enters what the user gave, and says what must fit.
func (p *StopPlan) firm(s StopSettings) []string {
	var names []string
	for _, f := range fixed {
		if d, ok := p.shares[f.unit]; ok {
			names = append(names, fmt.Sprintf("%s %v", f.unit, d))
		}
	}
	add := func(u Unit, what string, d time.Duration) {
		if d > 0 {
			p.shares[u] += d
			names = append(names, fmt.Sprintf("%s %v", what, d))
		}
	}
	if p.rows.Has(Inbound) && s.Drain {
		if s.PropagationGiven {
			p.Propagation = s.Propagation
			add(Inbound, "propagation wait", s.Propagation)
		}
		p.DrainMin, p.DrainMax = s.DrainMin, s.DrainMin
		if s.DrainMax != nil {
			p.DrainMax = *s.DrainMax
			add(Inbound, "drain.max", *s.DrainMax)
		} else {
			add(Inbound, "drain.min", s.DrainMin)
		}
	}
	if s.AppTimeout != nil && p.rows.Has(App) {
		add(App, "app.stopTimeout", *s.AppTimeout)
	}
	return names
}

// soft gives what is left to what may shrink: propagation, app, then drain,
// and what even the drain cannot use to the app again.
func (p *StopPlan) soft(s StopSettings) {
	if p.rows.Has(Inbound) && s.Drain && !s.PropagationGiven {
		before := p.shares[Inbound]
		p.grow(Inbound, before+s.Propagation)
		p.Propagation = p.shares[Inbound] - before
	}
	if s.AppTimeout == nil && p.rows.Has(App) {
		p.grow(App, min(appDefault, max(p.left(App)/2, 100*time.Millisecond)))
	}
	if p.rows.Has(Inbound) && s.Drain && s.DrainMax == nil {
		before := p.shares[Inbound]
		limit := max(MaxDrain, p.DrainMin)
		if !p.rows.Has(App) { // whose own stop follows: what comes in the last moment of the minimum has time
			limit = p.DrainMin + MaxDrain
		}
		p.grow(Inbound, before-p.DrainMin+limit)
		p.DrainMax = p.DrainMin + p.shares[Inbound] - before
	}
	if s.AppTimeout == nil && p.rows.Has(App) {
		p.grow(App, p.KillAfter)
	}
}

// grow raises u's share towards want as far as every path through u allows.
func (p *StopPlan) grow(u Unit, want time.Duration) {
	if !p.rows.Has(u) || want <= p.shares[u] {
		return
	}
	p.shares[u] += min(want-p.shares[u], p.left(u))
}

// left is what the longest path through u leaves free.
func (p *StopPlan) left(u Unit) time.Duration {
	return max(0, p.KillAfter-(p.head(u)+p.shares[u]+p.tail(u)))
}

// head is the longest path of shares that must be spent before u is asked.
func (p *StopPlan) head(u Unit) time.Duration {
	var longest time.Duration
	if i := p.rows.index(u); i >= 0 {
		for _, v := range p.rows[i].After {
			longest = max(longest, p.head(v)+p.shares[v])
		}
	}
	return longest
}

// tail is the longest path of shares that waits for u.
func (p *StopPlan) tail(u Unit) time.Duration {
	var longest time.Duration
	for _, r := range p.rows {
		if slices.Contains(r.After, u) {
			longest = max(longest, p.shares[r.Unit]+p.tail(r.Unit))
		}
	}
	return longest
}

func (p *StopPlan) path() time.Duration {
	var longest time.Duration
	for _, r := range p.rows {
		longest = max(longest, p.head(r.Unit)+p.shares[r.Unit])
	}
	return longest
}

// Share is what the plan gives to u when every step uses all of its own.
func (p StopPlan) Share(u Unit) time.Duration { return p.shares[u] }

// Grace is what u may still use when elapsed has passed since the stop began:
// all that the later steps do not need. Never negative.
func (p StopPlan) Grace(u Unit, elapsed time.Duration) time.Duration {
	return max(0, p.KillAfter-p.tail(u)-elapsed)
}

// Step is one step of the stop and its share of the budget.
type Step struct {
	Step   string `json:"step"` // a unit, or one of the two parts of inbound
	AtMost string `json:"at_most"`
}

// Steps are the shares in the order of the stop; the last is what is kept for the end.
func (p StopPlan) Steps() []Step {
	const step = 10 * time.Millisecond
	rows := slices.Clone(p.rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return int(p.head(a.Unit) - p.head(b.Unit)) })
	var out []Step
	add := func(name string, d time.Duration) { out = append(out, Step{name, d.Round(step).String()}) }
	for _, r := range rows {
		if r.Unit == Inbound {
			add("propagation", p.Propagation)
			add("drain", p.DrainMax)
			continue
		}
		add(string(r.Unit), p.shares[r.Unit])
	}
	add("end", killReserve)
	return out
}

// String prints the plan in the order of the stop, such as
// "stop 30s = health-sync ≤2s + propagation 1s + drain ≤8.8s + app ≤10s + …".
func (p StopPlan) String() string {
	var parts []string
	for _, s := range p.Steps() {
		bound := "≤"
		if s.Step == "propagation" || s.Step == "end" {
			bound = ""
		}
		parts = append(parts, s.Step+" "+bound+s.AtMost)
	}
	return fmt.Sprintf("stop %v = %s", p.StopTimeout, strings.Join(parts, " + "))
}
