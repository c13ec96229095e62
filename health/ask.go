package health

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// callLimit is the time that one call to the agent may take. An update waits for the
	// servers, so it is not short; the agent itself has taken it long before.
	callLimit = 2 * time.Second
	// registerLimit bounds registering everything again.
	registerLimit = 5 * time.Second
	// renewLimit bounds the same for another token, while nothing is wrong.
	renewLimit = 2 * time.Second
	// aliasPoll: an alias check follows its service within a millisecond or two, but nothing
	// tells when.
	aliasPoll = 2 * time.Millisecond
	// aliasWait is the time after which it has followed, whatever its status seemed to be.
	aliasWait = 100 * time.Millisecond
	// aliasLimit bounds the polling.
	aliasLimit = aliasWait + 20*time.Millisecond
)

var (
	errLatched = errors.New("shutdown has begun")
	errAlias   = errors.New("the sidecar's alias check does not follow the checks of the service")
	errMissing = errors.New("the agent does not know the checks of service and sidecar")
	errPassing = errors.New("a check of the service is passing again, or not in maintenance mode")
)

// text is the error that a reason stands for; failed are those of the calls.
func (r reason) text(failed error, check string) error {
	switch r {
	case callFailed:
		return failed
	case forgotten:
		return fmt.Errorf("%w: %s", errMissing, check)
	case notFollowing:
		return errors.Join(errAlias, failed)
	case stillPassing:
		return errPassing
	}
	return nil
}

// asker carries out the actions of one sequence.
type asker struct {
	s       *Syncer
	by      by
	pollEnd time.Time
	failed  error // what the calls of this round or try have come to
}

// handle gives the machine an input.
func (s *Syncer) handle(in input) action {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latch.handle(in)
}

// do carries out one action and returns what it came to. What waits for something that
// a stop makes moot ends with soft; a write that has begun does not.
func (a *asker) do(ctx, soft context.Context, act action) input {
	s := a.s
	switch act := act.(type) {
	case doLook:
		return a.look(ctx, soft, act)
	case doWrite:
		return a.write(ctx, act)
	case doRenew:
		call, cancel := context.WithTimeout(soft, renewLimit)
		defer cancel()
		s.cfg.Renew(call)
		s.answered()
		return renewed{}
	case doRegister:
		call, cancel := context.WithTimeout(soft, registerLimit)
		defer cancel()
		s.cfg.Log.Info("registering service and sidecar again", "service", s.cfg.Service)
		err := s.cfg.Reassert(call)
		s.answered()
		if err != nil {
			a.failed = errors.Join(a.failed, fmt.Errorf("register the service again: %w", err))
		}
		return registered{err == nil}
	case doMaintain:
		call, cancel := context.WithTimeout(ctx, callLimit)
		defer cancel()
		return maintained{s.cfg.Agent.Maintenance(call, s.cfg.Proxy, true, reasonStopping) == nil}
	}
	return nil
}

// answered notes since when the sidecar's alias check may have something to follow.
func (s *Syncer) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastAnswer = time.Now()
}

func (a *asker) look(ctx, soft context.Context, act doLook) input {
	switch {
	case act.again:
		select {
		case <-soft.Done():
			return looked{by: a.by, late: true}
		case <-time.After(aliasPoll):
		}
	case act.poll:
		a.pollEnd = time.Now().Add(aliasLimit)
	}
	if act.poll {
		ctx = soft
	}
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	known, err := a.s.cfg.Agent.Checks(call)
	if err != nil {
		a.failed = errors.Join(a.failed, fmt.Errorf("read the checks from %s: %w", a.s.cfg.taker(), err))
		known = nil
	} else if known == nil {
		known = map[string]string{}
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return looked{by: a.by, known: known, rested: time.Since(a.s.lastAnswer) >= aliasWait, late: !time.Now().Before(a.pollEnd)}
}

// write writes all, side by side.
func (a *asker) write(ctx context.Context, act doWrite) input {
	errs := make(chan error, len(act.writes)) // room for all: nobody waits for us
	e := written{by: a.by, writes: act.writes, failed: map[string]bool{}}
	ids := make(chan string, len(act.writes))
	for _, w := range act.writes {
		go func() {
			err := a.s.putOne(ctx, w)
			if err != nil {
				ids <- w.ID
			}
			errs <- err
		}()
	}
	for range act.writes {
		if err := <-errs; err != nil {
			a.failed = errors.Join(a.failed, err)
			e.failed[<-ids] = true
		}
	}
	a.s.answered()
	return e
}

// putOne is the only place that writes a status. No passing write begins once stop is
// closed; one that is in flight then is waited for by shutdown.
func (s *Syncer) putOne(ctx context.Context, w Write) error {
	s.mu.Lock()
	if w.State.Status == Passing && s.stopping() {
		s.mu.Unlock()
		return errLatched
	}
	service, isSwitch := s.latch.switches[w.ID]
	s.writes++
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var err error
	if isSwitch {
		err = s.cfg.Agent.Maintenance(ctx, service, w.State.Status == Critical, w.State.Output)
	} else {
		err = s.cfg.Agent.UpdateTTL(ctx, w.ID, string(w.State.Status), w.State.Output)
	}
	if err != nil {
		s.mu.Lock()
		s.failed++
		s.mu.Unlock()
		return fmt.Errorf("set check %s %s: %w", w.ID, w.State.Status, err)
	}
	return nil
}
