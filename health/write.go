package health

import (
	"context"
	"errors"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/retry"
)

const (
	// firstRetry and lastRetry bound the back-off after a failed round.
	firstRetry, lastRetry = 20 * time.Millisecond, 2 * time.Second
	// maxHeld is how often in a row a sidecar that does not turn passing is asked again before
	// it is left to the next heartbeat: an operator may keep it in maintenance mode.
	maxHeld = 3
)

// work is the writer: one round after another, each when something has changed, failed or
// is due for a heartbeat, until soft is done. What is in flight then ends by itself, or
// with ctx.
func (s *Syncer) work(ctx, soft context.Context, ready func()) {
	var beat time.Time // when the next heartbeat is due; zero: at once
	failures, held, first := 0, 0, true
	pauses := retry.Backoff{First: firstRetry, Max: lastRetry}
	for soft.Err() == nil {
		now := time.Now()
		due := !now.Before(beat)
		err := s.round(ctx, soft, due)
		if soft.Err() != nil {
			return
		}
		if !errors.Is(err, errAlias) || s.want().Status != Passing {
			held = 0
		} else if held++; held > maxHeld {
			s.giveUp(err, held)
			err = nil
		}
		var wait time.Duration
		if err != nil {
			wait = pauses.Next()
			failures++
			s.roundFailed(err, failures)
		} else {
			s.roundSucceeded(failures)
			failures = 0
			pauses.Reset()
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

// giveUp gives up, until the next heartbeat, a sidecar that something else holds critical.
func (s *Syncer) giveUp(err error, held int) {
	s.handle(givenUp{})
	if held == maxHeld+1 {
		s.cfg.Log.Warn("the sidecar stays critical though all checks pass", "error", err,
			"fix", "take the service and the node out of maintenance mode")
	}
}

// roundFailed says that a round went wrong: once per streak in the log, always as the reason of the wait.
func (s *Syncer) roundFailed(err error, failures int) {
	s.mu.Lock()
	s.trouble = err.Error()
	s.mu.Unlock()
	if failures == 2 { // one alone is what an agent's restart looks like
		s.cfg.Log.Warn("cannot write health checks, trying again", "error", err)
	}
	facts := event.Facts{"service": s.cfg.Service}
	if s.cfg.Servers {
		facts[event.FactCase] = event.CaseServers
	}
	s.cfg.Report(event.Waiting{Code: event.ChecksNotWritten, What: s.cfg.taker() + " to take the health checks", Err: err.Error(),
		Fix: "check that it can be reached and that the service token has service:write", Facts: facts})
}

// taker is who takes the checks, in sentences.
func (c Config) taker() string {
	if c.Servers {
		return "the Consul servers"
	}
	return "the agent"
}

func (s *Syncer) roundSucceeded(failures int) {
	s.mu.Lock()
	was := s.trouble
	s.trouble = ""
	s.mu.Unlock()
	if failures > 1 {
		s.cfg.Log.Info("health checks are written again", "failures", failures)
	}
	if was != "" {
		s.cfg.Report(event.WaitOver{})
	}
}

// want is the overall state that is desired now.
func (s *Syncer) want() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latch.want()
}

// round brings the agent from what is written to what is desired.
func (s *Syncer) round(ctx, soft context.Context, beat bool) error {
	ask := &asker{s: s, by: byWriter}
	for next := s.handle(beginRound{beat}); ; {
		if end, ok := next.(done); ok {
			s.tell(end)
			return end.why.text(ask.failed, end.check)
		}
		next = s.handle(ask.do(ctx, soft, next))
		if soft.Err() != nil {
			return nil // the rest is the shutdown's
		}
	}
}

// tell says that the sidecar has turned, once the servers know.
func (s *Syncer) tell(end done) {
	status := end.shown.Status
	if status == "" || status == end.was {
		return
	}
	s.mu.Lock()
	s.since = time.Now()
	s.mu.Unlock()
	switch {
	case end.was == "" && status == Critical:
	case status == Passing:
		s.cfg.Report(event.Passing{})
	default:
		s.cfg.Report(event.Critical{Reason: end.shown.Output})
	}
}
