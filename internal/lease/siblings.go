package lease

import (
	"context"
	"time"

	"meshtask/internal/event"
)

// Probe asks whether the app's port answers.
type Probe interface {
	// Await returns nil once it does. Each failed try is an event.Waiting with its Err.
	Await(ctx context.Context, report event.Report) error
}

// SiblingsConfig is what Siblings need.
type SiblingsConfig struct {
	KeeperConfig // but Changed, which is Siblings' own
	// Probe, when set, decides whether the app is up. nil: the service has no port, and
	// leases alone tell.
	Probe    Probe
	Up, Down func() // the app is there, or has gone; never two of a kind in a row
}

// Siblings is row app of a mesh container: the apps live in other containers and
// hold leases, or are seen by their port alone.
//
// One lease that is lost says that an app may have gone, not that it has:
// anything that reaches the port of the mesh container can take a lease and drop it.
// So it makes Siblings ask the port, and the port's answer counts.
type Siblings struct {
	*Keeper
	c       SiblingsConfig
	changed chan struct{} // one pending hint for follow that the leases have changed
	losses  chan struct{} // likewise for forgetLost
}

const (
	// lossPause is how long after the loss of a lease the port is asked first: a wrapper that
	// is killed loses its lease a moment before its app dies.
	lossPause = 50 * time.Millisecond
	// missingPoll is how often it is asked as long as an app may be missing.
	missingPoll = 500 * time.Millisecond
	// answerLimit is the time that an answer may take.
	answerLimit = 2 * time.Second
	// grace is how long a lost lease is remembered when the app is there without it.
	grace = 30 * time.Second
	// forgetRetry is how often it is asked afterwards whether the app is there.
	forgetRetry = time.Second
)

// NewSiblings returns the unit; its Keeper serves the leases.
func NewSiblings(c SiblingsConfig) *Siblings {
	c.Report = c.Report.Or()
	s := &Siblings{c: c, changed: make(chan struct{}, 1), losses: make(chan struct{}, 1)}
	c.KeeperConfig.Changed = func() {
		poke(s.changed)
		poke(s.losses)
	}
	s.Keeper = NewKeeper(c.KeeperConfig)
	return s
}

// Run keeps the leases, and follows the app until it is asked to stop.
func (s *Siblings) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	following, cancel := context.WithCancel(ctx)
	done := make(chan struct{}, 3)
	go func() { s.follow(following); done <- struct{}{} }()
	go func() { s.forgetLost(following); done <- struct{}{} }()
	go func() { // nobody asks for the app once it is to stop
		select {
		case <-stop:
			cancel()
		case <-following.Done():
		}
		done <- struct{}{}
	}()
	err := s.Keeper.Run(ctx, ready, stop)
	cancel()
	for range 3 {
		<-done
	}
	return err
}

// follow tells whether the app is there.
func (s *Siblings) follow(ctx context.Context) {
	for s.appears(ctx) {
		s.c.Up()
		if !s.disappears(ctx) {
			return
		}
		s.c.Down()
	}
}

// appears waits until the app is there; false: ctx is done, or nobody can tell.
func (s *Siblings) appears(ctx context.Context) bool {
	if s.c.Probe != nil {
		return s.c.Probe.Await(ctx, s.c.Report) == nil
	}
	for s.Gone() {
		select {
		case <-s.changed:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// disappears waits until the app has gone; false: ctx is done. The port is asked
// for as long as an app may be missing, for grace after the last sign of it.
func (s *Siblings) disappears(ctx context.Context) bool {
	var next, until time.Time // when the port is asked; zero: there is nothing to ask for
	for {
		var ask <-chan time.Time
		if !next.IsZero() {
			ask = time.After(max(time.Until(next), 0))
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.changed:
			switch soon := time.Now().Add(lossPause); {
			case s.c.Probe == nil && s.Gone():
				return true
			case s.c.Probe == nil || !s.Missing():
				next = time.Time{}
			default:
				if next.IsZero() || soon.Before(next) {
					next = soon
				}
				until = time.Now().Add(grace)
			}
		case <-ask:
			if !s.answers(ctx) {
				return ctx.Err() == nil
			}
			if next = (time.Time{}); time.Now().Before(until) {
				next = time.Now().Add(missingPoll)
			}
		}
	}
}

// answers asks the port once.
func (s *Siblings) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	return s.c.Probe.Await(ctx, func(e event.Event) {
		if w, ok := e.(event.Waiting); ok && w.Err != "" {
			cancel() // one try is enough
		}
	}) == nil
}

// forgetLost forgets lost names after grace, when another lease is held or the
// app's port answers: the app that held it is not missed.
func (s *Siblings) forgetLost(ctx context.Context) {
	for ctx.Err() == nil {
		var due <-chan time.Time
		if first, any := s.firstLost(); any {
			due = time.After(max(time.Until(first.Add(grace)), 0))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.losses:
			continue
		case <-due:
		}
		if len(s.Held()) > 0 || s.c.Probe != nil && s.answers(ctx) {
			s.forget(s.lostBefore(time.Now().Add(-grace)))
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(forgetRetry):
		}
	}
}
