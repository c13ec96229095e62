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

	Propagation func() time.Duration // until clients elsewhere know that we go
	Min, Max    func() time.Duration // of the drain, from the drain call on

	Report event.Report
	Log    hclog.Logger // nil = none
}

// Inbound is the unit that lives as long as the public listener, or a gateway, takes new work.
type Inbound struct{ c InboundConfig }

const (
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

// Run adds the check and is ready. When stop is closed it waits for propagation,
// has Envoy tell its inbound clients to go, and waits until nothing is in flight
// (seen twice), at least Min and at most Max. Faults of Envoy, gone, stuck or
// refusing, end or shorten the drain and are logged, never returned. ctx done
// cuts everything. The result is always nil.
func (u *Inbound) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	if u.addCheck(ctx, stop) {
		ready()
	}
	select {
	case <-stop:
	case <-ctx.Done():
		return nil
	}
	if u.c.Disabled || !pause(ctx, u.c.Propagation()) {
		return nil
	}
	u.drain(ctx)
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

// drain is over when two polls in a row have seen nothing in flight: between two
// requests of a busy client one zero is normal.
func (u *Inbound) drain(ctx context.Context) {
	began := time.Now()
	minTime, maxTime := u.c.Min(), u.c.Max()
	if maxTime <= 0 {
		return // the stop budget has nothing for it
	}
	limit, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	admin := NewAdmin(u.c.Admin)
	defer admin.Close()
	listeners, unseen := u.c.Role.listeners(limit, admin)
	if err := admin.drain(limit, u.c.Role); err != nil {
		u.c.Log.Warn("envoy did not take the drain call, waiting without it", "error", err)
	}

	var count inFlight
	for why := ""; ; {
		if unseen != nil {
			listeners, unseen = u.c.Role.listeners(limit, admin)
		}
		n, protocol, err := int64(0), "", unseen
		if err == nil {
			n, protocol, err = u.c.Role.inFlight(limit, admin, listeners)
		}
		switch {
		case err == nil:
			count.seen(n, protocol)
		case isGone(err):
			why = "envoy has gone"
		default:
			count.unknown(err)
		}
		elapsed := time.Since(began)
		switch {
		case ctx.Err() != nil:
			why = "cut"
		case why == "" && limit.Err() != nil:
			why = "maximum"
		case why == "" && count.zeros >= 2 && elapsed >= minTime:
			why = "empty"
		}
		if why != "" {
			u.drained(count, why, elapsed)
			return
		}
		pause(limit, pollDrain)
	}
}

// inFlight is what the polls of a drain have seen.
type inFlight struct {
	start, end int64
	zeros      int // in a row
	protocol   string
	err        error // of the last poll
}

func (f *inFlight) seen(n int64, protocol string) {
	if f.protocol == "" {
		f.start = n
	}
	f.end, f.protocol, f.err = n, protocol, nil
	if n == 0 {
		f.zeros++
	} else {
		f.zeros = 0
	}
}

func (f *inFlight) unknown(err error) { f.zeros, f.err = 0, err }

func (u *Inbound) drained(f inFlight, why string, took time.Duration) {
	if why == "envoy has gone" {
		f.end = 0
	}
	u.c.Report(event.Drained{Start: f.start, End: f.end, Ms: float64(took.Microseconds()) / 1000, Protocol: f.protocol, Why: why})
	what := "requests"
	if f.protocol == "tcp" {
		what = "connections"
	}
	switch {
	case why != "maximum" && why != "cut":
	case f.err != nil:
		u.c.Log.Warn("the drain ended without knowing what is in flight", "after", took, "error", f.err)
	case f.end > 0:
		u.c.Log.Warn("the drain ended with work in flight, which will be cut", "left", f.end, "what", what, "after", took)
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
