package health

// The writer's round: register what the agent has lost, write what is due, see that the
// sidecar shows it.

// begin starts a round.
func (l *latch) begin(beat bool) action {
	l.round = round{beat: beat}
	if l.lookFirst {
		l.lookFirst = false
		l.round.stage = lookingFirst
		return doLook{}
	}
	return l.registerIfLost()
}

// over ends a round.
func (l *latch) over(why reason) action {
	l.round.stage = atRest
	return done{why: why}
}

// registerIfLost registers only when the agent has lost the registration or is to use
// another token. To register what is there makes Consul (1.22.6, setCheckStateLocked) take
// an unsent status for a sent one, so that the servers keep the one before: every status
// is written again afterwards.
func (l *latch) registerIfLost() action {
	if l.facts.Latched || !l.lost && !l.renew {
		return l.write()
	}
	renew := l.renew
	l.round.register = l.lost
	l.lost, l.renew = false, false
	l.void()
	l.follower.turn(true)
	l.round.inFlight = true
	if renew {
		l.round.stage = renewing
		return doRenew{}
	}
	l.round.stage = registering
	return doRegister{}
}

// write writes what is due: the delta, or every check when it is a heartbeat.
func (l *latch) write() action {
	if l.facts.Latched {
		return l.over(succeeded)
	}
	writes := l.pending()
	if turning(writes) {
		l.unshown = true
	}
	if l.round.beat {
		writes = Diff(nil, Desired(l.facts, l.checks))
	}
	if len(writes) == 0 {
		return l.wrote()
	}
	l.round.stage, l.round.void = writing, false
	return l.sending(byWriter, writes)
}

func (l *latch) writerWrote(failed bool) action {
	switch {
	case l.facts.Latched:
		return l.over(succeeded)
	case failed && l.round.stage == writing:
		l.round.stage = lookingAfterFailure
		return doLook{}
	case failed:
		return l.over(callFailed)
	case l.round.stage == rewriting:
		return l.shown()
	}
	return l.wrote()
}

// wrote: what was due is written. At a heartbeat the sidecar is looked at even so.
func (l *latch) wrote() action {
	switch {
	case l.unshown:
		return l.poll()
	case l.round.beat:
		l.round.stage = lookingAtBeat
		return doLook{}
	}
	return l.over(succeeded)
}

func (l *latch) writerLooked(e looked) action {
	stage, there := l.round.stage, l.notice(e.known)
	switch {
	case l.facts.Latched:
		return l.over(succeeded)
	case e.known == nil && stage == lookingFirst:
		l.lookFirst = true
		return l.over(callFailed)
	case stage == lookingFirst:
		return l.registerIfLost()
	case e.known == nil, stage == lookingAfterFailure:
		return l.over(callFailed)
	case !there:
		l.round.stage = atRest
		return done{why: forgotten, check: l.lacks(e.known)}
	case stage == lookingAtBeat:
		want := l.want().Status
		if l.told != want || !l.agrees(e, want) {
			return l.poll()
		}
		return l.over(succeeded)
	}
	l.round.agreed = l.agrees(e, l.round.want.Status)
	switch {
	case !l.round.agreed && !e.late && len(l.pending()) == 0:
		return doLook{poll: true, again: true}
	case len(l.pending()) > 0:
		return l.over(succeeded) // overtaken: what is new comes first, and shows both
	}
	return l.rewrite()
}

// poll makes the sidecar show what was written. The agent computes the alias check by
// itself, and sends it to the servers when its anti-entropy comes round, up to seconds
// later: so wait until it has followed, then write once more, which sends whatever is unsent.
func (l *latch) poll() action {
	l.round.stage, l.round.want = polling, l.want()
	return doLook{poll: true}
}

func (l *latch) rewrite() action {
	again := Diff(nil, l.acked)
	if l.alias == "" || len(again) == 0 {
		return l.shown()
	}
	l.round.stage, l.round.void = rewriting, false
	return l.sending(byWriter, again[:1])
}

// shown: the servers know what the sidecar says.
func (l *latch) shown() action {
	if !l.round.agreed && len(l.switches) == 0 {
		return l.over(notFollowing)
	}
	l.unshown = false
	before := l.told
	l.told = l.round.want.Status
	l.round.stage = atRest
	return done{shown: l.round.want, was: before}
}
