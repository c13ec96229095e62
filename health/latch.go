package health

import "slices"

// latch decides what is asked of the agent, and in which order: the registration when the
// agent has lost it, the statuses, and the look that tells whether the sidecar shows them.
// Once shutdown has begun it lets no check turn passing again.
//
// It is pure: an input in, an action out; no clock, no I/O, no goroutine, no lock. So
// walk_test.go visits every state that it can reach. Syncer carries the actions out.
//
// Two sequences use it, and may overlap: the writer's rounds, and the shutdown, which does
// not wait for a round that is under way. Each has one action outstanding at a time.
type latch struct {
	checks   []Check
	switches map[string]string // check ID of a maintenance switch → service ID
	proxy    string            // service ID of the sidecar; "": none
	alias    string            // CheckID of its alias check; "": none
	proof    []string          // checks of which one is there while the agent has the registration; nil: others tell
	// registers: somebody can register again.
	registers bool

	facts Facts
	acked map[string]State // what the agent has acknowledged; absent: unknown
	told  Status           // what was last told of the sidecar; "" before the first time

	lookFirst bool // the agent may have lost the registration: look before anything else
	lost      bool // it has, and it is to be registered again
	renew     bool // it is to be registered once more, for another token
	unshown   bool // a status was written that the sidecar may not show yet

	follower follower
	round    round
	stop     shutdown
}

// round is the writer's way from what is written to what is desired.
type round struct {
	stage    stage
	beat     bool  // it is a heartbeat: every check is written
	register bool  // register after renewing
	want     State // of the sidecar, when the polling began
	agreed   bool  // the alias check says so
	void     bool  // the registration was lost under the write in flight
	inFlight bool  // a write or a registration has not been answered
}

// shutdown is the way to critical for good.
type shutdown struct {
	stage    stage
	writes   int  // how often everything was written in this try
	maintain bool // use maintenance mode: the alias check may yet turn to what was written before
	held     bool // the sidecar is in maintenance mode
	quiet    bool // the writer has ended
	overtook bool // it had not when this try began to write
	void     bool // as in round
	inFlight bool
}

// stage is what a sequence waits for.
type stage int

const (
	atRest stage = iota
	lookingFirst
	renewing
	registering
	writing
	lookingAfterFailure
	lookingAtBeat
	polling
	rewriting

	lookingAtStop
	writingCritical // everything is written critical
	lookingAfterRefusal
	maintaining
	awaitingWriter
	pollingCritical
	verifying
)

// by says whose action or input it is.
type by bool

const (
	byWriter   by = false
	byShutdown by = true
)

// action is what one sequence waits for next.
type action interface{ isAction() }

// The actions. done and doRetry end a round and a try.
type (
	// doLook reads the agent's checks: poll, once and then again after a pause.
	doLook struct{ poll, again bool }
	// doRegister and doRenew call Config.Reassert and Config.Renew.
	doRegister struct{}
	doRenew    struct{}
	// doWrite writes all, side by side.
	doWrite struct{ writes []Write }
	// doMaintain puts the sidecar into maintenance mode.
	doMaintain struct{}
	// doAwaitWriter waits until the writer has ended.
	doAwaitWriter struct{}
	// done ends a round, or the shutdown.
	done struct {
		why   reason
		check string // that is missing
		shown State  // what the sidecar shows now; Status "": as before
		was   Status // what was told of it before
	}
	// doRetry ends a try of the shutdown: another one follows after a pause.
	doRetry struct{ why reason }
)

func (doLook) isAction()        {}
func (doRegister) isAction()    {}
func (doRenew) isAction()       {}
func (doWrite) isAction()       {}
func (doMaintain) isAction()    {}
func (doAwaitWriter) isAction() {}
func (done) isAction()          {}
func (doRetry) isAction()       {}

// reason is why a round or a try ended.
type reason int

const (
	succeeded    reason = iota
	callFailed          // a call to the agent failed; the asker keeps its error
	forgotten           // the agent does not know the checks
	notFollowing        // the alias check does not follow the checks of the service
	stillPassing        // something of ours passes at the agent after all
)

// input is a result of an action, or a beginning.
type input any

// The events.
type (
	beginRound    struct{ beat bool }
	beginShutdown struct{}
	beginTry      struct{} // of the shutdown, after retry
	writerEnded   struct{}
	givenUp       struct{} // the sidecar is left as it is until the next heartbeat
	looked        struct {
		by     by
		known  map[string]string // nil: the call failed
		rested bool              // the last answer to a write was so long ago that the alias check has followed
		late   bool              // the polling has lasted long enough
	}
	renewed    struct{}
	registered struct{ ok bool }
	written    struct {
		by     by
		writes []Write
		failed map[string]bool // check IDs
	}
	maintained struct{ ok bool }
)

// handle takes an input and returns the next action of the sequence that it belongs to;
// nil: none.
func (l *latch) handle(in input) action {
	switch in := in.(type) {
	case beginRound:
		return l.begin(in.beat)
	case beginShutdown:
		return l.beginShutdown()
	case beginTry:
		l.stop.maintain = true
		return l.tryCritical()
	case writerEnded:
		l.stop.quiet = true
		if l.stop.stage == awaitingWriter {
			return l.overtaken()
		}
		return nil
	case givenUp:
		l.unshown = false
		return nil
	case written:
		l.acknowledge(in)
		if in.by == byShutdown {
			return l.wroteCritical(len(in.failed) > 0)
		}
		return l.writerWrote(len(in.failed) > 0)
	case maintained:
		l.stop.held = in.ok
		return l.overtaken()
	case looked:
		// Time tells only of what has been answered.
		in.rested = in.rested && !l.round.inFlight && !l.stop.inFlight
		if in.by == byShutdown {
			return l.shutdownLooked(in)
		}
		return l.writerLooked(in)
	case renewed:
		l.round.inFlight = false
		if l.round.register && !l.facts.Latched {
			l.round.stage, l.round.inFlight = registering, true
			return doRegister{}
		}
		return l.write()
	case registered:
		l.round.inFlight = false
		if !in.ok {
			l.lost = true
			return l.over(callFailed)
		}
		return l.write()
	}
	return nil
}

// want is the overall state that is desired now.
func (l *latch) want() State { return Overall(Desired(l.facts, l.checks)) }

// pending is the delta between what is written and what is desired now. The writer has
// nothing to do any more once the latch has fallen.
func (l *latch) pending() []Write {
	if l.facts.Latched {
		return nil
	}
	return Diff(l.acked, Desired(l.facts, l.checks))
}

// void: what an earlier registration had acknowledged, or is about to, means nothing.
func (l *latch) void() {
	clear(l.acked)
	l.round.void, l.stop.void = true, true
}

// agentUp: the agent has been restarted, and may have lost the registration.
func (l *latch) agentUp() {
	l.void()
	l.lookFirst = true
}

// lacks is the first of our checks that the agent does not know; "": it knows all. The
// switches are there in maintenance mode only.
func (l *latch) lacks(known map[string]string) string {
	if _, ok := known[l.alias]; !ok && l.alias != "" {
		return l.alias
	}
	for _, c := range l.checks {
		_, known := known[c.ID]
		if _, isSwitch := l.switches[c.ID]; !known && !isSwitch {
			return c.ID
		}
	}
	for i, id := range l.proof {
		if _, known := known[id]; known {
			break
		}
		if i == len(l.proof)-1 {
			return id
		}
	}
	return ""
}

// notice has everything registered again when a check of ours is not there.
func (l *latch) notice(known map[string]string) (there bool) {
	if known == nil || l.lacks(known) == "" {
		return true
	}
	l.void()
	l.lost = l.registers
	return false
}

// sending begins a write of a sequence.
func (l *latch) sending(by by, writes []Write) action {
	turns, passing := false, false
	for _, w := range writes {
		if l.acked[w.ID].Status != w.State.Status {
			turns, passing = true, passing || w.State.Status == Passing
		}
	}
	if turns {
		l.follower.turn(passing)
	}
	if by == byShutdown {
		l.stop.inFlight = true
	} else {
		l.round.inFlight = true
	}
	return doWrite{writes}
}

// acknowledge takes in what a write came to. A failed one may or may not have been taken.
func (l *latch) acknowledge(e written) {
	void := l.round.void
	if e.by == byShutdown {
		void, l.stop.inFlight = l.stop.void, false
	} else {
		l.round.inFlight = false
	}
	for _, w := range e.writes {
		switch {
		case e.failed[w.ID]:
			delete(l.acked, w.ID)
		case !void:
			l.acked[w.ID] = w.State
		}
	}
}

// sent is the status that the sidecar is to have by what was acknowledged; a check whose
// status is unknown may be critical.
func (l *latch) sent() Status {
	if len(l.acked) < len(l.checks) {
		return Critical
	}
	return Overall(l.acked).Status
}

// agrees: the sidecar's alias check says what the service's checks say. To be sure matters
// for critical only; the other way a late update harms nobody and is soon followed by
// the last one. With native checks it is maintenance mode that makes the sidecar critical.
func (l *latch) agrees(e looked, want Status) bool {
	if l.alias == "" || len(l.switches) > 0 && want == Critical {
		return true
	}
	passes := e.known[l.alias] == string(Passing)
	arrived := l.follower.see(passes, l.sent() == Passing, e.rested)
	return passes == (want == Passing) && (arrived || passes)
}

// follower is what is known of an alias check. The agent computes it by itself, from a copy
// of the service's checks that may be a moment old. So when it says what it should, that
// may be from before the last turn, with another update on its way. If each turn is seen to
// arrive before the next one is made, its statuses tell; otherwise only time does.
type follower struct {
	arrived   bool // the last turn has arrived
	passDue   bool // the last turn is to passing, and it was not seen to pass since
	overtaken bool // a turn was made before the one before it was seen to arrive
}

// turn: statuses are about to be written that differ from the written ones.
func (f *follower) turn(passing bool) {
	f.overtaken = f.overtaken || !f.arrived
	f.arrived = false
	f.passDue = passing || f.passDue
}

// see takes a look in and says whether the last turn has arrived; should is what it was to.
// rested: so much time has passed since that it must have.
func (f *follower) see(passes, should, rested bool) bool {
	f.overtaken = f.overtaken && !rested
	if rested || passes && !f.overtaken {
		f.passDue = false
	}
	f.arrived = passes == should && !f.passDue && !f.overtaken
	return f.arrived
}

// turning: one of the writes changes a status.
func turning(writes []Write) bool {
	return slices.ContainsFunc(writes, func(w Write) bool { return w.Turn })
}
