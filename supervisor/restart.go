package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/signame"
)

// Runner is a unit: Run blocks until it has ended and everything it started has ended with
// it. It calls ready at most once. stop closed: end in good order. ctx done: end now.
// nil: it ended as it should; a unit that ends unasked returns an error that says so.
type Runner interface {
	Run(ctx context.Context, ready func(), stop <-chan struct{}) error
}

// Report tells about each life of r: up at its ready, down at its end when it was up.
// Put it inside Restart. Both are called by the unit, one at a time.
func Report(r Runner, up, down func()) Runner { return &report{r, up, down} }

type report struct {
	inner    Runner
	up, down func()
}

func (r *report) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	var mu sync.Mutex
	var up, over bool
	err := r.inner.Run(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if !up && !over {
			up = true
			r.up()
			ready()
		}
	}, stop)
	mu.Lock()
	defer mu.Unlock()
	over = true
	if up {
		r.down()
	}
	return err
}

// Mode says after which ends a unit is started again.
type Mode string

const (
	Never     Mode = "never"
	OnFailure Mode = "on-failure" // any end but exit 0
	Always    Mode = "always"
)

// Policy is when and how often a unit is started again.
type Policy struct {
	Mode       Mode          // "" is Never
	Max        int           // restarts within Window; the next end within it is final
	Window     time.Duration // over which Max counts
	Backoff    time.Duration // before the first restart; doubles with each one in Window
	MaxBackoff time.Duration // the doubling stops here; 0: it does not

	// Only, when set, says after which errors a restart may help at all; others are final.
	Only func(error) bool
}

// pause is the back-off when n restarts lie within the window.
func (p Policy) pause(n int) time.Duration {
	d := p.Backoff
	for ; n > 0 && 0 < d && d < p.Window; n-- {
		d *= 2
	}
	if p.MaxBackoff > 0 {
		d = min(d, p.MaxBackoff)
	}
	return d
}

func (p Policy) restarts(err error) bool {
	if p.Only != nil && !p.Only(err) {
		return false
	}
	switch p.Mode {
	case Always:
		return true
	case OnFailure:
		exit, ok := errors.AsType[*Exit](err)
		return err != nil && (!ok || exit.Status() != 0)
	}
	return false
}

// RestartsSpent says that a unit has ended more often than its policy allows.
type RestartsSpent struct {
	Name   string
	Max    int
	Window time.Duration
	Ready  bool  // a life had been ready
	Last   error // the end that was one too many
}

func (e *RestartsSpent) Error() string {
	return fmt.Sprintf("%s: restart budget spent (%d within %v): %v", e.Name, e.Max, e.Window, e.Reason())
}

// Reason is the last end in words.
func (e *RestartsSpent) Reason() string { return Restarted(e.Last).Reason }

func (e *RestartsSpent) Unwrap() error { return e.Last }

// Restart starts r again when it ends unasked, as p says; outside, it is one unbroken unit
// that is ready once. report gets a Restart for each one; nil is allowed.
// It returns what r returned last, or *RestartsSpent. It never starts r while stopping.
func Restart(name string, r Runner, p Policy, report event.Report) Runner {
	return &restart{name: name, inner: r, policy: p, report: report.Or()}
}

type restart struct {
	name   string
	inner  Runner
	policy Policy
	report event.Report
}

func (r *restart) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	var up atomic.Bool
	once := sync.OnceFunc(func() { up.Store(true); ready() })
	var ends []time.Time // that led to a restart, within the window
	for {
		err := r.inner.Run(ctx, once, stop)
		if stopping(ctx, stop) || !r.policy.restarts(err) {
			return err
		}
		now := time.Now()
		for len(ends) > 0 && now.Sub(ends[0]) >= r.policy.Window {
			ends = ends[1:]
		}
		if len(ends) >= r.policy.Max {
			return &RestartsSpent{Name: r.name, Max: r.policy.Max, Window: r.policy.Window, Ready: up.Load(), Last: err}
		}
		pause := r.policy.pause(len(ends))
		ends = append(ends, now)
		told := Restarted(err)
		told.N, told.Max, told.After = len(ends), r.policy.Max, pause
		r.report(told)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-stop:
		case <-ctx.Done():
		}
		timer.Stop()
		if stopping(ctx, stop) {
			return err
		}
	}
}

// Restarted is what is told of the end that a restart follows: its reason, and how the process
// ended.
func Restarted(err error) event.Restart {
	e := event.Restart{Reason: reason(err)}
	if exit, ok := errors.AsType[*Exit](err); ok {
		e.Reason, e.How, e.Signal = exit.Error(), exit.How(), signame.Of(exit.Signal)
	}
	if c := event.CauseOf(err); c != nil {
		e.Said = c.Facts[event.FactSaid]
	}
	return e
}

func reason(err error) string {
	if err == nil {
		return "it ended"
	}
	return err.Error()
}

func stopping(ctx context.Context, stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return ctx.Err() != nil
	}
}
