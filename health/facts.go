package health

import (
	"context"
	"maps"
	"sync"
	"time"

	"meshtask/internal/event"
)

// AppUp tells that the app runs and is ready.
func (s *Syncer) AppUp() {
	s.change(func() {
		s.latch.facts.App = true
		s.lives++
		s.forget()
	})
	poke(s.life)
}

// AppDown tells that the app has ended, for good or until a restart.
func (s *Syncer) AppDown() {
	s.change(func() {
		s.latch.facts.App = false
		s.forget()
	})
	poke(s.life)
}

// forget drops the health of the app's earlier life. The lock is held.
func (s *Syncer) forget() {
	for _, c := range s.latch.checks {
		if c.Origin == FromProbe {
			delete(s.latch.facts.Health, c.Container)
		}
	}
}

// EnvoyUp tells that Envoy is LIVE with its listener bound.
func (s *Syncer) EnvoyUp() { s.change(func() { s.latch.facts.Envoy = true }) }

// EnvoyDown tells that Envoy has ended, for good or until a restart.
func (s *Syncer) EnvoyDown() { s.change(func() { s.latch.facts.Envoy = false }) }

// AgentUp tells that the agent answers again after a restart: everything is asserted anew.
// Before Run it means nothing, as what registers first does so by itself.
func (s *Syncer) AgentUp() {
	s.change(func() {
		if s.running {
			s.latch.agentUp()
		}
	})
}

// Renew has Config.Renew called by the writer, so that it never races with a shutdown, and
// then everything asserted again. Before Run it means nothing.
func (s *Syncer) Renew() {
	s.change(func() { s.latch.renew = s.running && s.cfg.Renew != nil })
}

// change applies a fact, reports what it means for the app, and wakes the writer.
func (s *Syncer) change(fact func()) {
	s.mu.Lock()
	fact()
	s.reportApp()
	s.mu.Unlock()
	poke(s.wake)
}

// reportApp reports the app's own health when that has changed, until shutdown begins. The
// lock is held, so that reports are in the order of the changes.
func (s *Syncer) reportApp() {
	state := s.latch.facts.own(s.latch.checks)
	checked := s.latch.facts.probed(s.latch.checks)
	var now event.Event = event.AppHealthy{Check: checked}
	if state.Status != Passing {
		now = event.AppUnhealthy{Reason: state.Output, Check: checked}
	}
	if now == s.app || s.latch.facts.Alone || s.stopping() {
		return
	}
	s.app = now
	s.cfg.Report(now)
}

func poke(hint chan struct{}) {
	select {
	case hint <- struct{}{}:
	default: // one is pending
	}
}

// word takes a source's result for a container of any life.
func (s *Syncer) word(container string, state State) {
	s.mu.Lock()
	same := s.latch.facts.Health[container] == state
	s.latch.facts.Health[container] = state
	s.mu.Unlock()
	if !same {
		poke(s.wake)
	}
}

// probes runs the probe once per life of the app, never two at a time.
func (s *Syncer) probes(ctx context.Context) {
	for ctx.Err() == nil {
		if life, up := s.appLife(); up {
			s.probeLife(ctx, life)
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.life:
		}
	}
}

// probeLife returns when this life of the app is over, and its probe is.
func (s *Syncer) probeLife(ctx context.Context, life int) {
	var group sync.WaitGroup
	defer group.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	group.Go(func() {
		s.cfg.Probe.Run(ctx, func(container string, state State) {
			s.change(func() {
				if s.lives == life && s.latch.facts.App { // a late word of an earlier life is dropped
					s.latch.facts.Health[container] = state
				}
			})
		})
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.life:
		}
		if now, up := s.appLife(); !up || now != life {
			return
		}
	}
}

func (s *Syncer) appLife() (life int, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lives, s.latch.facts.App
}

// Snapshot is the syncer's view at one moment.
type Snapshot struct {
	// Sidecar is what downstream proxies go by, and why: what was last acknowledged.
	Sidecar State     `json:"sidecar"`
	Since   time.Time `json:"since,omitzero"`
	// App is the health of the own app alone, whatever Envoy and siblings are.
	App     State `json:"app"`
	Latched bool  `json:"latched"`
	// Checks are the states that the agent has acknowledged, by check ID; one that is absent
	// is being written, and Trouble says what keeps it.
	Checks  map[string]State `json:"checks"`
	Trouble string           `json:"trouble,omitempty"`
	Writes  int              `json:"writes"` // updates sent since the start, heartbeats included
	Failed  int              `json:"failed"` // of these
}

// Snapshot may be called at any time.
func (s *Syncer) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	view := Snapshot{
		Sidecar: State{Critical, reasonNoWord}, Since: s.since, Latched: s.latch.facts.Latched,
		Checks: maps.Clone(s.latch.acked), Trouble: s.trouble, Writes: s.writes, Failed: s.failed,
	}
	if len(s.latch.acked) > 0 {
		view.Sidecar = Overall(s.latch.acked)
	}
	if s.latch.facts.Alone && view.Sidecar.Status == Passing {
		view.Sidecar.Output = reasonListens
	}
	view.App = s.latch.facts.own(s.latch.checks)
	return view
}
