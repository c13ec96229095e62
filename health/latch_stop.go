package health

// The shutdown: everything critical, for good, and seen to be so.

// beginShutdown starts the first try. The latch has fallen.
func (l *latch) beginShutdown() action {
	l.stop = shutdown{quiet: l.stop.quiet}
	if l.alias == "" || l.follower.arrived {
		return l.tryCritical()
	}
	// The alias check may not show yet what was written before the stop, so that it cannot be
	// told from what follows. A look may decide that.
	l.stop.stage = lookingAtStop
	return doLook{}
}

// tryCritical is one try: critical, sidecar critical, critical again so that the servers get
// the sidecar's too, and seen to be so. A sidecar that may still turn passing is put into
// maintenance mode, which is a critical check of its own and waits for nothing.
func (l *latch) tryCritical() action {
	l.stop.writes, l.stop.held, l.stop.overtook = 0, false, !l.stop.quiet
	return l.writeCritical()
}

func (l *latch) writeCritical() action {
	l.stop.stage, l.stop.void = writingCritical, false
	l.stop.writes++
	return l.sending(byShutdown, Diff(nil, Desired(l.facts, l.checks)))
}

func (l *latch) again(why reason) action {
	l.stop.stage = atRest
	return doRetry{why}
}

// wroteCritical: everything was written. A check that the agent does not know is no failure.
func (l *latch) wroteCritical(failed bool) action {
	if failed {
		l.stop.stage = lookingAfterRefusal
		return doLook{}
	}
	return l.proceed()
}

// proceed goes on after a write: the first, one that follows what was in flight, the last.
func (l *latch) proceed() action {
	switch {
	case l.stop.writes == 1 && l.stop.maintain && l.proxy != "":
		l.stop.stage = maintaining
		return doMaintain{}
	case l.stop.writes == 1:
		return l.overtaken()
	case l.stop.overtook && l.stop.writes == 2:
		return l.followed()
	}
	l.stop.stage = verifying
	return doLook{}
}

// overtaken: what the writer had in flight when we wrote may be taken up after ours, and the
// alias check follow both. Let it, then write again, and have time tell.
func (l *latch) overtaken() action {
	switch {
	case !l.stop.overtook:
		return l.followed()
	case !l.stop.quiet:
		l.stop.stage = awaitingWriter
		return doAwaitWriter{}
	}
	l.follower.arrived, l.follower.overtaken = false, true
	return l.writeCritical()
}

// followed waits for the sidecar's alias check, unless maintenance mode does without.
func (l *latch) followed() action {
	if l.stop.held {
		return l.writeCritical()
	}
	l.stop.stage = pollingCritical
	return doLook{poll: true}
}

func (l *latch) shutdownLooked(e looked) action {
	switch l.stop.stage {
	case lookingAtStop:
		l.stop.maintain = e.known == nil || !l.follower.see(e.known[l.alias] == string(Passing), l.sent() == Passing, e.rested)
		return l.tryCritical()
	case lookingAfterRefusal:
		if e.known == nil || l.unwritten(e.known) {
			return l.again(callFailed)
		}
		return l.proceed()
	case pollingCritical:
		switch {
		case e.known != nil && (l.agrees(e, Critical) || !l.registered(e.known)):
			return l.writeCritical()
		case e.late:
			return l.again(notFollowing)
		}
		return doLook{poll: true, again: true}
	case verifying:
		if e.known == nil {
			return l.again(callFailed)
		}
		if why := l.verify(e.known); why != succeeded {
			return l.again(why)
		}
		l.stop.stage, l.told = atRest, Critical
		return done{shown: State{Critical, reasonStopping}}
	}
	return nil
}

// registered: the agent knows the sidecar, as far as its checks can tell.
func (l *latch) registered(known map[string]string) bool {
	_, ok := known[l.alias]
	return ok || l.alias == ""
}

// unwritten: a check that is there does not say what was written last.
func (l *latch) unwritten(known map[string]string) bool {
	for _, w := range Diff(l.acked, Desired(l.facts, l.checks)) {
		_, there := known[w.ID]
		if _, isSwitch := l.switches[w.ID]; isSwitch {
			there = l.registered(known)
		}
		if there {
			return true
		}
	}
	return false
}

// verify: nothing of ours passes at the agent. What it does not know cannot pass.
func (l *latch) verify(known map[string]string) reason {
	for _, c := range l.checks {
		_, isSwitch := l.switches[c.ID]
		if isSwitch && known[c.ID] != string(Critical) && l.registered(known) || known[c.ID] == string(Passing) {
			return stillPassing
		}
	}
	if known[l.alias] == string(Passing) && known[MaintenanceID(l.proxy)] != string(Critical) {
		return notFollowing
	}
	return succeeded
}
