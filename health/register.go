package health

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// reassertLimit bounds registering everything again.
	reassertLimit = 5 * time.Second
	// renewLimit bounds the same for another token, while nothing is wrong.
	renewLimit = 2 * time.Second
)

// register has service and sidecar registered again when the agent has forgotten them or
// is to use another token, and only then. To register what is there makes Consul (1.22.6,
// setCheckStateLocked) take an unsent status for a sent one, so that the servers keep the
// one before: every status is written again afterwards.
func (s *Syncer) register(ctx, soft context.Context) error {
	s.mu.Lock()
	suspect := s.suspect
	s.suspect = false
	s.mu.Unlock()
	if suspect {
		if _, err := s.look(ctx); err != nil && !errors.Is(err, errMissing) {
			s.mu.Lock()
			s.suspect = true
			s.mu.Unlock()
			return err
		}
	}
	reassert, renew := s.claim()
	if !reassert && !renew {
		return nil
	}
	var err error
	if renew {
		call, cancel := context.WithTimeout(soft, renewLimit)
		s.cfg.Renew(call)
		cancel()
	}
	if reassert {
		call, cancel := context.WithTimeout(soft, reassertLimit)
		s.cfg.Log.Info("registering service and sidecar again", "service", s.cfg.Service)
		err = s.cfg.Reassert(call)
		cancel()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alias.turned = time.Now()
	if err != nil {
		s.reassert = true
		return fmt.Errorf("register the service again: %w", err)
	}
	return nil
}

// claim takes what there is to register; what an earlier registration had acknowledged is
// void then.
func (s *Syncer) claim() (reassert, renew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.facts.Latched || !s.reassert && !s.renew {
		return false, false
	}
	reassert, renew = s.reassert, s.renew
	s.reassert, s.renew = false, false
	clear(s.written)
	s.epoch++
	s.alias.turn(true)
	return reassert, renew
}
