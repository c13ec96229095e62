package health

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshtask/internal/event"
)

const (
	// stopGrace is our share of the stop budget when nobody says otherwise.
	stopGrace = 2 * time.Second
	// overtake is how long a write that is in flight at the stop is waited for before the
	// first critical one is sent beside it.
	overtake = 100 * time.Millisecond
	// stopRetry is the pause between two tries to get everything critical.
	stopRetry = 20 * time.Millisecond
	// removeTries is how often the catalog is asked; what fails twice is a matter of rights
	// or of servers, and the propagation wait is longer then.
	removeTries = 2
)

var errUnanswered = errors.New("an earlier write is still unanswered")

// shutdown runs once the latch has fallen. Nothing new is begun by the writer from now on;
// quiet is closed when what it had in flight has been answered.
func (s *Syncer) shutdown(ctx context.Context, quiet <-chan struct{}) error {
	grace := stopGrace
	if s.cfg.Grace != nil {
		grace = s.cfg.Grace()
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	// A quarter is kept for the catalog, which may answer though the checks do not.
	err := s.makeCritical(ctx, quiet, grace*3/4)
	if err != nil {
		err = fmt.Errorf("checks were not acknowledged critical within %v: %w", grace*3/4, err)
	} else {
		s.cfg.Report(event.Critical{Reason: reasonStopping})
	}
	if s.cfg.Catalog == nil {
		return err
	}
	gone := s.remove(ctx)
	if gone != nil {
		s.cfg.Log.Warn("cannot take the instance out of the catalog, it is critical only", "error", gone)
	} else {
		s.cfg.Report(event.Removed{})
	}
	s.cfg.Removed(gone == nil)
	return err
}

// makeCritical makes every check critical at the agent, for good, and the sidecar's with them.
func (s *Syncer) makeCritical(ctx context.Context, quiet <-chan struct{}, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// A passing write in flight is to be answered first: the agent might take it up after
	// ours, even if we cancel it.
	select {
	case <-quiet:
	case <-ctx.Done():
	case <-time.After(overtake):
	}
	ask := &asker{s: s, by: byShutdown}
	for next := s.besideWriter(quiet, beginShutdown{}); ; {
		switch act := next.(type) {
		case done:
			s.mu.Lock()
			s.since, s.trouble = time.Now(), ""
			s.mu.Unlock()
			return nil
		case doRetry:
			err := act.why.text(ask.failed, "")
			ask.failed = nil
			select {
			case <-ctx.Done():
				return err
			case <-time.After(stopRetry):
			}
			next = s.besideWriter(quiet, beginTry{})
		case doAwaitWriter:
			select {
			case <-quiet:
			case <-ctx.Done():
				return errUnanswered
			}
			next = s.handle(writerEnded{})
		default:
			next = s.besideWriter(quiet, ask.do(ctx, ctx, act))
			if _, ended := next.(done); !ended && ctx.Err() != nil {
				return errors.Join(ask.failed, context.Cause(ctx))
			}
		}
	}
}

// besideWriter gives the machine an input, and before it the writer's end.
func (s *Syncer) besideWriter(quiet <-chan struct{}, in input) action {
	select {
	case <-quiet:
		s.handle(writerEnded{})
	default:
	}
	return s.handle(in)
}

// remove asks the catalog, which takes the instance from downstream proxies for good.
func (s *Syncer) remove(ctx context.Context) error {
	var err error
	for range removeTries {
		if err = s.cfg.Catalog.RemoveFromCatalog(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(stopRetry):
		}
	}
	return err
}
