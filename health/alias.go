package health

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// aliasPoll: an alias check follows its service within a millisecond or two, but nothing
	// tells when.
	aliasPoll = 2 * time.Millisecond
	// aliasWait is the time after which it has followed, whatever its status seemed to be.
	aliasWait = 100 * time.Millisecond
	// aliasLimit bounds the polling.
	aliasLimit = aliasWait + 20*time.Millisecond
)

var (
	errAlias   = errors.New("the sidecar's alias check does not follow the checks of the service")
	errMissing = errors.New("the agent does not know the checks of service and sidecar")
)

// read asks the agent for the statuses of its checks.
func (s *Syncer) read(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	known, err := s.cfg.Agent.Checks(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the agent's checks: %w", err)
	}
	return known, nil
}

// look reads, and has everything asserted again when one of ours is not there: errMissing.
func (s *Syncer) look(ctx context.Context) (map[string]string, error) {
	known, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	expected := make([]string, 0, len(s.checks)+1)
	if s.cfg.Alias != "" {
		expected = append(expected, s.cfg.Alias)
	}
	for _, c := range s.checks {
		if _, ok := s.switches[c.ID]; !ok {
			expected = append(expected, c.ID)
		}
	}
	for _, id := range expected {
		if _, ok := known[id]; !ok {
			s.mu.Lock()
			clear(s.written)
			s.epoch++
			s.reassert = s.cfg.Reassert != nil
			s.mu.Unlock()
			return known, fmt.Errorf("%w: %s", errMissing, id)
		}
	}
	return known, nil
}

// aliasView is what is known of an alias check that follows the service's checks by itself,
// from a copy of them that may be a moment old: seeing it say what it should may be seeing
// what it said before, and another word is on its way. Its statuses tell these apart as
// long as one turn is seen through before the next; else only time does.
type aliasView struct {
	sure   bool      // it has followed the last turn
	rising bool      // the last turn is to passing, and it has not been seen to pass
	murky  bool      // a turn was overtaken by another
	turned time.Time // when the last turn was acknowledged
}

// turn notes that statuses are about to be written that differ from the written ones.
func (v *aliasView) turn(passing bool) {
	v.murky = v.murky || !v.sure
	v.sure = false
	v.rising = passing || v.rising
}

// see takes a look in and says whether the alias check has come to rest where it should.
func (v *aliasView) see(passes, should bool) bool {
	rest := time.Since(v.turned) >= aliasWait
	v.murky = v.murky && !rest
	if rest || passes && !v.murky {
		v.rising = false
	}
	v.sure = passes == should && !v.rising && !v.murky
	return v.sure
}

// agrees: the sidecar's alias check says what the service's checks say. To be sure matters
// for critical only; the other way a late word harms nobody and is soon followed by the
// last one. With native checks it is maintenance mode that makes the sidecar critical.
func (s *Syncer) agrees(known map[string]string, want Status) bool {
	if s.cfg.Alias == "" || len(s.switches) > 0 && want == Critical {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	passes := known[s.cfg.Alias] == string(Passing)
	sure := s.alias.see(passes, want == Passing)
	return sure || passes && want == Passing
}

// settle makes the sidecar show what was written. The agent computes the alias check by
// itself, and sends it to the servers when its anti-entropy comes round, up to seconds
// later: so wait until it has, then write once more, which sends whatever is unsent.
func (s *Syncer) settle(ctx, soft context.Context) error {
	want := s.want()
	agreed, err := s.awaitAlias(soft, want.Status)
	switch {
	case err != nil:
		return err
	case soft.Err() != nil || len(s.pending()) > 0:
		return nil // overtaken: what is new comes first, and settles both
	}
	s.mu.Lock()
	again := Diff(nil, s.written)
	s.mu.Unlock()
	if s.cfg.Alias != "" && len(again) > 0 {
		if err := s.put(ctx, again[:1]); err != nil {
			return err
		}
	}
	if !agreed && len(s.switches) == 0 {
		return errAlias
	}
	s.turn(want)
	return nil
}

// awaitAlias polls until the alias check agrees, something new is to be written, or
// aliasLimit is over.
func (s *Syncer) awaitAlias(soft context.Context, want Status) (agreed bool, err error) {
	for end := time.Now().Add(aliasLimit); ; {
		known, err := s.look(soft)
		switch {
		case err != nil:
			return false, err
		case s.agrees(known, want):
			return true, nil
		case !time.Now().Before(end) || len(s.pending()) > 0:
			return false, nil
		}
		select {
		case <-soft.Done():
			return false, nil
		case <-time.After(aliasPoll):
		}
	}
}

// turn tells that the sidecar has turned, once the servers know.
func (s *Syncer) turn(state State) {
	s.mu.Lock()
	s.loose = false
	before := s.told
	s.told = state.Status
	if before != state.Status {
		s.turned = time.Now()
	}
	s.mu.Unlock()
	switch {
	case before == state.Status || before == "" && state.Status == Critical:
	case state.Status == Passing:
		s.cfg.Note("step", "passing")
		s.cfg.Log.Info("checks are passing", "service", s.cfg.Service)
	default:
		s.cfg.Note("step", "critical", "reason", state.Output)
		s.cfg.Log.Warn("checks are critical", "service", s.cfg.Service, "reason", state.Output)
	}
}
