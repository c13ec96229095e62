package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// callLimit is the time that one call to the agent may take. An update waits for the
	// servers, so it is not short; the agent itself has taken it long before.
	callLimit = 2 * time.Second
	// firstRetry and lastRetry bound the back-off after a failed round.
	firstRetry, lastRetry = 20 * time.Millisecond, 2 * time.Second
	// coaxes is how often in a row a sidecar that does not turn passing is asked again before
	// it is left to the next heartbeat: an operator may keep it in maintenance mode.
	coaxes = 3
)

var errLatched = errors.New("shutdown has begun")

// work is the writer: one round after another, each when something has changed, failed or
// is due for a heartbeat, until soft is done. What is in flight then ends by itself, or
// with ctx.
func (s *Syncer) work(ctx, soft context.Context, ready func()) {
	var beat time.Time // when the next heartbeat is due; zero: at once
	failures, coaxed, first := 0, 0, true
	for soft.Err() == nil {
		now := time.Now()
		due := !now.Before(beat)
		err := s.round(ctx, soft, due)
		if soft.Err() != nil {
			return
		}
		held := errors.Is(err, errAlias) && s.want().Status == Passing
		if !held {
			coaxed = 0
		} else if coaxed++; coaxed > coaxes {
			s.leave(err, coaxed)
			err = nil
		}
		var wait time.Duration
		if err != nil {
			wait = min(firstRetry<<min(failures, 10), lastRetry)
			failures++
			s.failing(err, failures)
		} else {
			s.fine(failures)
			failures = 0
			if due {
				beat = now.Add(s.cfg.TTL / 3)
			}
			wait = time.Until(beat)
			if first {
				first = false
				ready()
			}
		}
		select {
		case <-soft.Done():
		case <-s.wake:
		case <-time.After(wait):
		}
	}
}

// leave gives up, until the next heartbeat, a sidecar that something else holds critical.
func (s *Syncer) leave(err error, coaxed int) {
	s.mu.Lock()
	s.loose = false
	s.mu.Unlock()
	if coaxed == coaxes+1 {
		s.cfg.Log.Warn("the sidecar stays critical though all checks pass", "error", err,
			"fix", "is the service or the node in maintenance mode?")
	}
}

// failing says that a round went wrong: once per streak in the log, always to who waits.
func (s *Syncer) failing(err error, failures int) {
	s.mu.Lock()
	s.trouble = err.Error()
	s.mu.Unlock()
	if failures == 2 { // one alone is what an agent's restart looks like
		s.cfg.Log.Warn("cannot write health checks, trying again", "error", err)
	}
	s.cfg.Waiting("the agent to take the health checks", err.Error(),
		"the agent must be up, and the service token needs service:write")
}

func (s *Syncer) fine(failures int) {
	s.mu.Lock()
	was := s.trouble
	s.trouble = ""
	s.mu.Unlock()
	if failures > 1 {
		s.cfg.Log.Info("health checks are written again", "failures", failures)
	}
	if was != "" {
		s.cfg.Waiting("", "", "")
	}
}

// want is the overall state that is desired now.
func (s *Syncer) want() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Overall(Desired(s.facts, s.checks))
}

// pending is the delta between what is written and what is desired now. The writer has
// nothing to do any more once the latch has fallen.
func (s *Syncer) pending() []Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delta()
}

// delta is pending for who holds the lock.
func (s *Syncer) delta() []Write {
	if s.facts.Latched {
		return nil
	}
	return Diff(s.written, Desired(s.facts, s.checks))
}

// due are the writes of a round: the delta, or every check when it is a heartbeat.
func (s *Syncer) due(beat bool) []Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	delta := s.delta()
	if slices.ContainsFunc(delta, func(w Write) bool { return w.Turn }) {
		s.loose = true
	}
	if beat && !s.facts.Latched {
		return Diff(nil, Desired(s.facts, s.checks))
	}
	return delta
}

// round brings the agent from what is written to what is desired.
func (s *Syncer) round(ctx, soft context.Context, beat bool) error {
	if err := s.register(ctx, soft); err != nil {
		return err
	}
	if err := s.put(ctx, s.due(beat)); err != nil {
		_, lost := s.look(ctx)
		return errors.Join(err, lost)
	}
	s.mu.Lock()
	loose, told := s.loose, s.told
	s.mu.Unlock()
	if !loose && beat {
		known, err := s.look(ctx)
		if err != nil {
			return err
		}
		want := s.want().Status
		loose = told != want || !s.agrees(known, want)
	}
	if loose {
		return s.settle(ctx, soft)
	}
	return nil
}

// put writes all, side by side.
func (s *Syncer) put(ctx context.Context, writes []Write) error {
	turn := s.turning(writes)
	errs := make(chan error, len(writes)) // room for all: nobody waits for us
	for _, w := range writes {
		go func() { errs <- s.putOne(ctx, w) }()
	}
	var all error
	for range writes {
		all = errors.Join(all, <-errs)
	}
	if turn {
		s.mu.Lock()
		s.alias.turned = time.Now()
		s.mu.Unlock()
	}
	return all
}

// turning: a status changes, or its last write failed.
func (s *Syncer) turning(writes []Write) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn, passing := false, false
	for _, w := range writes {
		if s.written[w.ID].Status != w.State.Status {
			turn, passing = true, passing || w.State.Status == Passing
		}
	}
	if turn {
		s.alias.turn(passing)
	}
	return turn
}

// putOne is the only place that writes a status. No passing write begins once stop is
// closed; one that is in flight then is waited for by shutdown.
func (s *Syncer) putOne(ctx context.Context, w Write) error {
	s.mu.Lock()
	if w.State.Status == Passing && s.stopping() {
		s.mu.Unlock()
		return errLatched
	}
	epoch := s.epoch
	s.writes++
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var err error
	if service, ok := s.switches[w.ID]; ok {
		err = s.cfg.Agent.Maintenance(ctx, service, w.State.Status == Critical, w.State.Output)
	} else {
		err = s.cfg.Agent.UpdateTTL(ctx, w.ID, string(w.State.Status), w.State.Output)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		delete(s.written, w.ID) // it may or may not have been taken
		return fmt.Errorf("set check %s %s: %w", w.ID, w.State.Status, err)
	}
	if s.epoch == epoch {
		s.written[w.ID] = w.State
	}
	return nil
}
