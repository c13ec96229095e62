package health

import (
	"context"
	"errors"
	"fmt"
	"time"
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
// idle is closed when what it had in flight has been answered.
func (s *Syncer) shutdown(ctx context.Context, idle <-chan struct{}) error {
	grace := stopGrace
	if s.cfg.Grace != nil {
		grace = s.cfg.Grace()
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	// A quarter is kept for the catalog, which may answer though the checks do not.
	err := s.condemn(ctx, idle, grace*3/4)
	if err != nil {
		err = fmt.Errorf("checks were not acknowledged critical within %v: %w", grace*3/4, err)
	} else {
		s.cfg.Note("step", "critical", "reason", reasonStopping)
	}
	if s.cfg.Catalog == nil {
		return err
	}
	gone := s.remove(ctx)
	if gone != nil {
		s.cfg.Log.Warn("cannot take the instance out of the catalog, it is critical only", "error", gone)
	} else {
		s.cfg.Note("step", "removed")
	}
	s.cfg.Removed(gone == nil)
	return err
}

// condemn makes every check critical at the agent, for good, and the sidecar's with them.
func (s *Syncer) condemn(ctx context.Context, idle <-chan struct{}, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// A passing write in flight is to be answered first: the agent might take it up after
	// ours, even if we cancel it.
	select {
	case <-idle:
	case <-ctx.Done():
	case <-time.After(overtake):
	}
	for doubt := s.doubt(ctx); ; doubt = true {
		err := s.seal(ctx, idle, doubt)
		if err == nil {
			s.mu.Lock()
			s.told, s.turned, s.trouble = Critical, time.Now(), ""
			s.mu.Unlock()
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(stopRetry):
		}
	}
}

// doubt: the alias check may not show yet what was written before the stop, so that it
// cannot be told from what follows. A look may settle that.
func (s *Syncer) doubt(ctx context.Context) bool {
	s.mu.Lock()
	sure, passing := s.alias.sure, len(s.written) > 0 && Overall(s.written).Status == Passing
	s.mu.Unlock()
	if s.cfg.Alias == "" || sure {
		return false
	}
	known, err := s.read(ctx)
	if err != nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.alias.see(known[s.cfg.Alias] == string(Passing), passing)
}

// seal is one try: critical, sidecar critical, critical again so that the servers get the
// sidecar's too, and seen to be so. In doubt the sidecar is put into maintenance mode, which
// is a critical check of its own and waits for nothing.
func (s *Syncer) seal(ctx context.Context, idle <-chan struct{}, doubt bool) error {
	if err := s.critical(ctx); err != nil {
		return err
	}
	held := false
	if doubt && s.cfg.Proxy != "" {
		call, cancel := context.WithTimeout(ctx, callLimit)
		held = s.cfg.Agent.Maintenance(call, s.cfg.Proxy, true, reasonStopping) == nil
		cancel()
	}
	select {
	case <-idle:
	default: // what is in flight may be taken up after ours: let it, then write again
		select {
		case <-idle:
		case <-ctx.Done():
			return errUnanswered
		}
		if err := s.critical(ctx); err != nil {
			return err
		}
	}
	if !held {
		if err := s.awaitCritical(ctx); err != nil {
			return err
		}
	}
	if err := s.critical(ctx); err != nil {
		return err
	}
	known, err := s.read(ctx)
	if err != nil {
		return err
	}
	return s.sealed(known)
}

// awaitCritical polls until the sidecar's alias check has followed.
func (s *Syncer) awaitCritical(ctx context.Context) error {
	for end := time.Now().Add(aliasLimit); ; {
		known, err := s.read(ctx)
		switch {
		case err == nil && (s.agrees(known, Critical) || !s.registered(known)):
			return nil
		case !time.Now().Before(end):
			return errors.Join(errAlias, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(errAlias, err)
		case <-time.After(aliasPoll):
		}
	}
}

// sealed: nothing of ours passes at the agent. What it does not know cannot pass.
func (s *Syncer) sealed(known map[string]string) error {
	for _, c := range s.checks {
		service, maintained := s.switches[c.ID]
		switch {
		case maintained && known[c.ID] != string(Critical) && s.registered(known):
			return fmt.Errorf("%s is not in maintenance mode", service)
		case known[c.ID] == string(Passing):
			return fmt.Errorf("check %s is passing again", c.ID)
		}
	}
	if known[s.cfg.Alias] == string(Passing) && known[maintenanceID(s.cfg.Proxy)] != string(Critical) {
		return errAlias
	}
	return nil
}

// registered: the agent knows the sidecar, as far as its checks can tell.
func (s *Syncer) registered(known map[string]string) bool {
	_, ok := known[s.cfg.Alias]
	return ok || s.cfg.Alias == ""
}

// critical writes every check. A check that the agent does not know is no error here.
func (s *Syncer) critical(ctx context.Context) error {
	s.mu.Lock()
	want := Desired(s.facts, s.checks)
	s.mu.Unlock()
	err := s.put(ctx, Diff(nil, want))
	if err == nil {
		return nil
	}
	known, unread := s.read(ctx)
	if unread != nil {
		return err
	}
	s.mu.Lock()
	unwritten := Diff(s.written, want)
	s.mu.Unlock()
	for _, w := range unwritten {
		_, there := known[w.ID]
		if _, is := s.switches[w.ID]; is {
			there = s.registered(known)
		}
		if there {
			return err
		}
	}
	return nil
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
