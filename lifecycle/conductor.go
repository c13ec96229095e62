package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Runner is a unit that can be conducted. Run blocks until the unit has ended
// and everything that it started has ended with it. It calls ready once, when
// dependents may start. stop closed: end in good order. ctx done: end now.
// nil: it ended as it should.
type Runner interface {
	Run(ctx context.Context, ready func(), stop <-chan struct{}) error
}

// Conductor carries out what the Machine decides for one life of a task.
type Conductor struct {
	Timeline Timeline
	Runners  map[Unit]Runner // one for each row; a missing one ends at once with an error

	// KillAfter is the time from the begin of the shutdown to the last KILL.
	// 0 means no limit.
	KillAfter time.Duration

	// Observe is told of every event that came and what it led to, in order,
	// before the actions are carried out. It must not block. May be nil.
	Observe func(Event, []Action)
}

var (
	errMoot  = errors.New("the wait protects nothing any more")
	errSpent = errors.New("the stop budget is spent")
)

// Run conducts one life and returns when every unit has ended. The ways out:
//   - ctx done: shutdown in order, with the context's cause as the reason;
//   - a unit ends by itself, well or not: shutdown in order, because of it;
//   - a receive from hurry cuts the waits of the shutdown, the next one kills;
//     one that is received before the shutdown is kept for it;
//   - KillAfter after the shutdown began: what is left is killed.
//
// A unit that does not return when it is killed keeps Run from returning: what
// Run promises, that nothing of the task is left, would not be true.
func (c *Conductor) Run(ctx context.Context, hurry <-chan struct{}) Outcome {
	l := &life{c: c, events: make(chan Event), over: make(chan struct{}),
		stops: map[Unit]chan struct{}{}, kills: map[Unit]context.CancelCauseFunc{},
		base: context.WithoutCancel(ctx)}
	defer l.units.Wait()
	defer close(l.over)

	m := NewMachine(c.Timeline)
	asked := ctx.Done()
	var deadline <-chan time.Time
	for e := Event(Begin{}); ; {
		actions := m.Handle(e)
		if c.Observe != nil {
			c.Observe(e, actions)
		}
		for _, a := range actions {
			switch a := a.(type) {
			case Shutdown:
				asked = nil
				if c.KillAfter > 0 {
					t := time.NewTimer(c.KillAfter)
					defer t.Stop()
					deadline = t.C
				}
			case Finish:
				return a.Outcome
			default:
				l.act(a)
			}
		}
		select {
		case e = <-l.events:
		case <-asked:
			e = StopRequested{Err: context.Cause(ctx)}
			asked = nil
		case <-hurry:
			e = Hurry{}
		case <-deadline:
			e = DeadlinePassed{}
			deadline = nil
		}
	}
}

// life is the goroutines of one Run.
type life struct {
	c      *Conductor
	base   context.Context
	events chan Event
	over   chan struct{} // closed when nobody reads events any more
	units  sync.WaitGroup
	stops  map[Unit]chan struct{}
	kills  map[Unit]context.CancelCauseFunc
}

func (l *life) act(a Action) {
	switch a := a.(type) {
	case Start:
		l.start(a.Unit)
	case Stop:
		close(l.stops[a.Unit])
	case Kill:
		if a.Moot {
			l.kills[a.Unit](errMoot)
		} else {
			l.kills[a.Unit](errSpent)
		}
	}
}

func (l *life) start(u Unit) {
	ctx, kill := context.WithCancelCause(l.base)
	stop := make(chan struct{})
	l.stops[u], l.kills[u] = stop, kill
	r := l.c.Runners[u]
	l.units.Go(func() {
		defer kill(nil)
		err := fmt.Errorf("no runner for unit %s", u)
		if r != nil {
			err = r.Run(ctx, func() { l.send(Ready{Unit: u}) }, stop)
		}
		l.send(Ended{Unit: u, Err: err})
	})
}

func (l *life) send(e Event) {
	select {
	case l.events <- e:
	case <-l.over:
	}
}
