package envoy

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/retry"
)

// InboundConfig is what Inbound needs. The functions of time are asked at stop.
type InboundConfig struct {
	Role     Role
	Admin    string // as in Settings
	Disabled bool   // no waits and no drain call

	// AddCheck adds the check of the public listener; it is tried until it succeeds.
	AddCheck func(context.Context) error

	Propagation func() time.Duration // until clients elsewhere know that we go, at the soonest
	Min, Max    func() time.Duration // of the drain, from the drain call on

	Report event.Report
	Log    hclog.Logger // nil = none
}

// Inbound is the unit that lives as long as the public listener, or a gateway, takes new work.
type Inbound struct{ c InboundConfig }

const (
	// quietTime is how long nothing must have come before the drain may end. An Envoy elsewhere
	// hears of a removal within 100 ms, and on a busy machine some time after Propagation.
	quietTime  = 300 * time.Millisecond
	pollDrain  = 20 * time.Millisecond
	checkFirst = 50 * time.Millisecond // pause after a failed AddCheck, doubled up to
	checkMax   = 2 * time.Second
)

// NewInbound sets the defaults.
func NewInbound(c InboundConfig) *Inbound {
	zero := func() time.Duration { return 0 }
	for _, f := range []*func() time.Duration{&c.Propagation, &c.Min, &c.Max} {
		if *f == nil {
			*f = zero
		}
	}
	c.Report, c.Role = c.Report.Or(), c.Role.of()
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	return &Inbound{c: c}
}

// Run adds the check and is ready. When stop is closed it waits for propagation, has Envoy tell
// its inbound clients to go, and waits until nothing is in flight (seen twice) and nothing has come
// for quietTime, or Propagation where that is shorter: whoever has not heard yet would be refused.
// That takes at least Min and at most Max. Faults of Envoy, gone, stuck or refusing, end or shorten
// the drain and are logged, never returned. ctx done cuts everything. The result is always nil.
func (u *Inbound) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	if u.addCheck(ctx, stop) {
		ready()
	}
	select {
	case <-stop:
	case <-ctx.Done():
		return nil
	}
	if u.c.Disabled {
		return nil
	}
	propagation := u.c.Propagation()
	quiet := min(quietTime, propagation)
	if pause(ctx, propagation-quiet) {
		u.drain(ctx, quiet)
	}
	return nil
}

func (u *Inbound) addCheck(ctx context.Context, stop <-chan struct{}) bool {
	if u.c.AddCheck == nil {
		return true
	}
	pauses := retry.Backoff{First: checkFirst, Max: checkMax}
	for {
		err := u.c.AddCheck(ctx)
		if err == nil {
			u.c.Report(event.WaitOver{})
			return true
		}
		u.c.Report(event.Waiting{Code: event.ListenerCheck, What: "the check of the public listener to be added", Err: err.Error(),
			Fix: "check that the agent answers and that the token may write the service"})
		timer := time.NewTimer(pauses.Next())
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return false
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// drain is over when two polls in a row have seen nothing in flight: between two requests of a
// busy client one zero is normal. The end of the propagation, quiet, counts for what has not come.
func (u *Inbound) drain(ctx context.Context, quiet time.Duration) {
	minTime, maxTime := u.c.Min(), u.c.Max()
	if maxTime <= 0 { // the stop budget has nothing for it
		pause(ctx, quiet)
		return
	}
	admin := NewAdmin(u.c.Admin)
	defer admin.Close()
	p := polls{u: u, admin: admin, came: time.Now()}
	before, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	for before.Err() == nil {
		p.poll(before)
		pause(before, pollDrain)
	}
	if ctx.Err() != nil {
		return
	}

	began := time.Now()
	limit, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	if err := admin.drain(limit, u.c.Role); err != nil {
		u.c.Log.Warn("envoy did not take the drain call, waiting without it", "error", err)
	}
	p.begin()
	for why := ""; ; pause(limit, pollDrain) {
		gone := p.poll(limit)
		elapsed := time.Since(began)
		switch {
		case ctx.Err() != nil:
			why = "cut"
		case gone:
			why = "envoy has gone"
		case limit.Err() != nil:
			why = "maximum"
		case p.zeros >= 2 && time.Since(p.came) >= quiet && elapsed >= minTime:
			why = "empty"
		}
		if why != "" {
			u.drained(&p, why, elapsed, quiet)
			return
		}
	}
}

// polls are what asking Envoy for its work has shown.
type polls struct {
	u         *Inbound
	admin     *Admin
	listeners []Listener
	known     bool // listeners were asked for

	start   int64     // in flight at the first poll after begin
	started bool      // there was one
	last    work      // the zero value: there was none
	zeros   int       // polls in a row that have seen nothing in flight
	came    time.Time // when the last has come, as far as the polls can tell
	err     error     // of the last poll that the end of the wait did not cut
}

// begin has the polls count from now on, but for what has come.
func (p *polls) begin() { p.started, p.zeros = false, 0 }

// poll asks once; gone is that there is no Envoy any more.
func (p *polls) poll(ctx context.Context) (gone bool) {
	w, err := p.ask(ctx)
	gone = isGone(err)
	if err != nil && ctx.Err() != nil && p.started && !gone { // the wait is over: what was seen last stands
		return false
	}
	if p.err = err; err != nil {
		p.zeros = 0
		return gone
	}
	if p.last.protocol != "" && w.come != p.last.come {
		p.came = time.Now()
	}
	if p.last = w; !p.started {
		p.start, p.started = w.inFlight, true
	}
	if p.zeros++; w.inFlight > 0 {
		p.zeros = 0
	}
	return false
}

// ask asks for the listeners once, and for their work.
func (p *polls) ask(ctx context.Context) (work, error) {
	if !p.known {
		listeners, err := p.u.c.Role.listeners(ctx, p.admin)
		if err != nil {
			return work{}, err
		}
		p.listeners, p.known = listeners, true
	}
	return p.u.c.Role.work(ctx, p.admin, p.listeners)
}

func (u *Inbound) drained(p *polls, why string, took, quiet time.Duration) {
	left := p.last.inFlight
	if why == "envoy has gone" {
		left = 0
	}
	u.c.Report(event.Drained{Start: p.start, End: left, Ms: float64(took.Microseconds()) / 1000, Protocol: p.last.protocol, Why: why})
	what := "requests"
	if p.last.protocol == "tcp" {
		what = "connections"
	}
	switch {
	case why != "maximum" && why != "cut":
	case p.err != nil:
		u.c.Log.Warn("the drain ended without knowing what is in flight", "after", took, "error", p.err)
	case left > 0:
		u.c.Log.Warn("the drain ended with work in flight, which will be cut", "left", left, "what", what, "after", took)
	case why == "maximum" && time.Since(p.came) < quiet:
		u.c.Log.Warn("the drain ended while work still came, which will be refused: clients use an instance that is not in the catalog any more", "what", what, "after", took)
	}
}

// pause waits; false when ctx ended it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
