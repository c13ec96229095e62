package health

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// The walk visits every state that the machine can reach with one check, a sidecar with an
// alias check, and the most hostile agent that we know of: it answers late or never, takes
// what it then denies, forgets everything, and has its alias check follow whenever it likes.
// The promises are stated over what happened at the agent and what was asked of it, not over
// the machine's own flags.

// update is on its way to the alias check.
type update struct {
	status   Status
	answered bool // the write that caused it has been answered
}

// call is an action of one sequence that is under way.
type call struct {
	act   action // nil: none
	taken bool   // the agent has done it, and may still deny it
}

type world struct {
	l latch

	known   bool   // the agent knows our registration
	check   Status // "" when it does not
	alias   Status
	updates []update // oldest first
	maint   bool     // the sidecar is in maintenance mode
	forgot  bool     // the agent has forgotten us since it was last registered for that

	heard bool // the agent has acknowledged critical to the shutdown

	calls   [2]call // the writer's, the shutdown's
	begun   bool    // the shutdown's sequence
	quiet   bool    // the writer has ended
	ended   bool    // so has the shutdown
	calm    bool    // nothing has happened since the round began but its own calls
	room    int     // how many updates may be on their way to the alias check at once
	flips   int     // how often Envoy may still come or go
	restart int     // and the agent restart
	renewal int     // and a renewal be asked for
	broken  string  // a promise that this step broke
}

func newWorld(room, flips, restarts, renewals int) world {
	return world{
		l: latch{checks: []Check{{ID: testCheck, Container: "app"}}, proxy: testProxy, alias: testAlias, registers: true,
			acked: map[string]State{}, follower: follower{arrived: true}, facts: Facts{App: true, Envoy: true}},
		known: true, check: Critical, alias: Critical, room: room, flips: flips, restart: restarts, renewal: renewals,
	}
}

func (w world) clone() world {
	w.l.acked = maps.Clone(w.l.acked)
	w.updates = slices.Clone(w.updates)
	return w
}

// key tells two states apart by all that matters later. Outputs do not.
func (w world) key() string {
	l, key := &w.l, make([]byte, 0, 64)
	bits := func(all ...bool) {
		n := byte(0)
		for i, b := range all {
			if b {
				n |= 1 << i
			}
		}
		key = append(key, n)
	}
	status := func(s Status) {
		key = append(key, append([]byte(s), 0)[0])
	}
	r, s := &l.round, &l.stop
	bits(l.facts.Latched, l.facts.Envoy, l.lookFirst, l.lost, l.renew, l.unshown)
	bits(l.follower.arrived, l.follower.passDue, l.follower.overtaken, r.beat, r.register, r.agreed, r.void, r.inFlight)
	bits(s.maintain, s.held, s.quiet, s.overtook, s.void, s.inFlight)
	bits(w.known, w.maint, w.forgot, w.begun, w.quiet, w.ended, w.calm, w.heard)
	key = append(key, byte(r.stage), byte(s.stage), byte(s.writes), byte(w.flips), byte(w.restart), byte(w.renewal))
	status(l.acked[testCheck].Status)
	status(l.told)
	status(r.want.Status)
	status(w.check)
	status(w.alias)
	for _, c := range w.calls {
		bits(c.taken)
		switch act := c.act.(type) {
		case doLook:
			bits(act.again, act.poll)
		case doWrite:
			status(act.writes[0].State.Status)
		}
	}
	for _, update := range w.updates {
		status(update.status)
		bits(update.answered)
	}
	return string(key)
}

func (w world) knows() map[string]string {
	known := map[string]string{}
	if w.known {
		known[testCheck], known[testAlias] = string(w.check), string(w.alias)
	}
	if w.maint {
		known[MaintenanceID(testProxy)] = string(Critical)
	}
	return known
}

// next is one step of the walk.
type next struct {
	what string
	to   world
}

// steps are all that can happen.
func (w world) steps() []next {
	var out []next
	add := func(what string, f func(*world)) {
		to := w.clone()
		f(&to)
		if len(to.updates) <= w.room {
			out = append(out, next{what, to})
		}
	}
	if w.ended {
		return nil
	}
	if w.flips > 0 && !w.l.facts.Latched { // nothing follows from it any more then
		add("Envoy comes or goes", func(w *world) { w.l.facts.Envoy = !w.l.facts.Envoy; w.calm = false; w.flips-- })
	}
	if len(w.updates) > 0 {
		add("the alias check follows", func(w *world) { w.alias, w.updates = w.updates[0].status, w.updates[1:] })
	}
	if w.restart > 0 {
		for _, told := range []bool{false, true} {
			add("the agent restarts, told "+yes(told), func(w *world) {
				w.known, w.check, w.alias, w.updates, w.maint, w.forgot = false, "", "", nil, false, true
				w.calm = false
				w.restart--
				if told {
					w.l.agentUp()
				}
			})
		}
	}
	if w.restart > 0 {
		add("the agent is back, and has forgotten nothing", func(w *world) { w.calm = false; w.restart--; w.l.agentUp() })
	}
	if w.renewal > 0 && !w.l.facts.Latched {
		add("a renewal is asked for", func(w *world) { w.l.renew = true; w.calm = false; w.renewal-- })
	}
	switch {
	case !w.l.facts.Latched:
		add("stop", func(w *world) { w.l.facts.Latched = true; w.calm = false })
	case !w.begun:
		add("the shutdown begins", func(w *world) { w.begun = true; w.tell(byShutdown, beginShutdown{}) })
	}
	switch idle := w.calls[0].act == nil; {
	case idle && !w.l.facts.Latched:
		for _, beat := range []bool{false, true} {
			add("a round begins, heartbeat "+yes(beat), func(w *world) { w.calm = beat; w.tell(byWriter, beginRound{beat}) })
		}
	case idle && !w.quiet:
		add("the writer ends", func(w *world) { w.quiet = true })
	}
	return append(out, append(w.answers(byWriter), w.answers(byShutdown)...)...)
}

func index(by by) int {
	if by == byShutdown {
		return 1
	}
	return 0
}

// tell gives the machine an input and takes its action in, as Syncer does.
func (w *world) tell(by by, in input) {
	if by == byShutdown && w.quiet {
		if _, ok := in.(writerEnded); !ok {
			w.l.handle(writerEnded{})
		}
	}
	act := w.l.handle(in)
	if by == byWriter && w.l.facts.Latched {
		act = nil // the writer ends
	}
	w.calls[index(by)] = call{act: act}
	if _, ended := act.(done); ended {
		w.calls[index(by)] = call{}
	}
	w.judge(by, act)
}

// answers are what can become of the action under way.
func (w world) answers(by by) []next {
	var out []next
	who := "writer: "
	if by == byShutdown {
		who = "shutdown: "
	}
	add := func(what string, f func(*world)) {
		to := w.clone()
		f(&to)
		if len(to.updates) <= w.room {
			out = append(out, next{who + what, to})
		}
	}
	c := w.calls[index(by)]
	take := func(f func(*world)) {
		if !c.taken {
			add("it is taken", func(w *world) { w.calls[index(by)].taken = true; f(w) })
		}
	}
	switch act := c.act.(type) {
	case doLook:
		for _, late := range []bool{false, true} {
			if late && !act.again {
				continue
			}
			add("a look fails, late "+yes(late), func(w *world) { w.tell(by, looked{by: by, late: late}) })
			for _, rested := range []bool{false, true} {
				if rested && slices.ContainsFunc(w.updates, func(w update) bool { return w.answered }) {
					continue
				}
				add("a look, rested "+yes(rested)+", late "+yes(late), func(w *world) {
					w.tell(by, looked{by: by, known: w.knows(), rested: rested, late: late})
				})
			}
		}
	case doWrite:
		take(func(w *world) { w.write(act.writes[0].State.Status) })
		add("the write fails", func(w *world) {
			w.answered()
			w.tell(by, written{by: by, writes: act.writes, failed: map[string]bool{testCheck: true}})
		})
		if c.taken && w.known {
			add("the write is acknowledged", func(w *world) {
				w.answered()
				w.heard = w.heard || by == byShutdown
				w.tell(by, written{by: by, writes: act.writes})
			})
		}
	case doRegister:
		take((*world).register)
		add("registering fails", func(w *world) { w.answered(); w.tell(by, registered{false}) })
		if c.taken {
			add("registered", func(w *world) { w.forgot = w.forgot && !w.known; w.answered(); w.tell(by, registered{true}) })
		}
	case doRenew:
		take((*world).register)
		add("renewed, or not", func(w *world) { w.answered(); w.tell(by, renewed{}) })
	case doMaintain:
		take(func(w *world) { w.maint = w.known })
		add("maintenance fails", func(w *world) { w.tell(by, maintained{false}) })
		if c.taken && w.known {
			add("in maintenance", func(w *world) { w.tell(by, maintained{true}) })
		}
	case doAwaitWriter:
		if w.quiet {
			add("the writer has ended", func(w *world) { w.tell(by, writerEnded{}) })
		}
	case doRetry:
		add("another try", func(w *world) { w.tell(by, beginTry{}) })
	}
	return out
}

// write is what the agent does with a status.
func (w *world) write(status Status) {
	if w.known && w.check != status {
		w.check = status
		w.updates = append(w.updates, update{status: status})
	}
}

// register is what it does with a registration: what is there stays.
func (w *world) register() {
	if !w.known {
		w.known, w.check, w.alias = true, Critical, Critical
	}
	w.updates = append(w.updates, update{status: w.check})
}

// answered: from now on time tells when the alias check has followed.
func (w *world) answered() {
	for i := range w.updates {
		w.updates[i].answered = true
	}
}

// mayPass: the sidecar passes, or an update that it passes is on its way.
func (w *world) mayPass() bool {
	return w.alias == Passing || slices.ContainsFunc(w.updates, func(w update) bool { return w.status == Passing })
}

// atLast is what the alias check says once it has followed.
func (w *world) atLast() Status {
	if n := len(w.updates); n > 0 {
		return w.updates[n-1].status
	}
	return w.alias
}

// judge states the promises.
func (w *world) judge(by by, act action) {
	switch act := act.(type) {
	case doWrite:
		if w.l.facts.Latched && slices.ContainsFunc(act.writes, func(w Write) bool { return w.State.Status == Passing }) {
			w.broken = "a check is turned passing after shutdown began"
		}
	case doRegister:
		switch {
		case w.l.facts.Latched:
			w.broken = "the service is registered after shutdown began"
		case !w.forgot:
			w.broken = "the service is registered though the agent has not forgotten it"
		}
	case done:
		if by == byShutdown {
			w.ended = true
			w.judgeEnd()
			return
		}
		if act.why != succeeded || !w.calm || !w.l.round.beat {
			return
		}
		switch want := w.l.want().Status; {
		case !w.known:
			w.broken = "a heartbeat does not notice that the agent has forgotten us"
		case w.check != want:
			w.broken = "a heartbeat leaves the check " + string(w.check)
		case want == Critical && w.mayPass():
			w.broken = "the sidecar is told to be critical, and may pass"
		case want == Passing && act.shown.Status == Passing && w.atLast() != Passing:
			w.broken = "the sidecar is told to pass, and will not"
		}
	}
}

func (w *world) judgeEnd() {
	flying, ok := w.calls[0].act.(doWrite)
	switch {
	case ok && flying.writes[0].State.Status == Passing:
		w.broken = "the shutdown has ended, and a passing write is under way"
	case w.check == Passing:
		w.broken = "the shutdown has ended, and the check passes"
	case !w.maint && w.mayPass():
		w.broken = "the shutdown has ended, and the sidecar may pass"
	case !w.heard && !w.forgot:
		w.broken = "the shutdown has ended, and critical was not acknowledged"
	}
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// visit is a state that was reached, and how.
type visit struct {
	parent   int
	what     string
	before   []int // states that lead to it
	stopping bool
}

func path(all []visit, at int) (out []string) {
	for ; at != 0; at = all[at].parent {
		out = append(out, all[at].what)
	}
	slices.Reverse(out)
	return out
}

func TestWalk(t *testing.T) {
	for name, start := range map[string]world{"a steady agent": newWorld(2, 3, 0, 0), "one that restarts": newWorld(1, 1, 1, 0), "a renewal": newWorld(1, 1, 0, 1)} {
		t.Run(name, func(t *testing.T) { walk(t, start) })
	}
}

func walk(t *testing.T, start world) {
	number := map[string]int{start.key(): 0}
	all, todo := []visit{{}}, []world{start}
	var ends []int
	transitions := 0
	for at := 0; len(todo) > 0; at++ { // todo holds the states from at on
		w := todo[0]
		todo = todo[1:]
		all[at].stopping = w.l.facts.Latched
		if w.ended {
			ends = append(ends, at)
		}
		for _, n := range w.steps() {
			transitions++
			key := n.to.key()
			to, seen := number[key]
			if !seen {
				to = len(all)
				number[key] = to
				all = append(all, visit{parent: at, what: n.what})
				todo = append(todo, n.to)
			}
			all[to].before = append(all[to].before, at)
			if n.to.broken != "" {
				t.Fatalf("%s:\n%s", n.to.broken, strings.Join(append(path(all, at), n.what), "\n"))
			}
		}
	}
	can := make([]bool, len(all)) // states from which the shutdown can end
	for len(ends) > 0 {
		at := ends[len(ends)-1]
		ends = ends[:len(ends)-1]
		if !can[at] {
			can[at] = true
			ends = append(ends, all[at].before...)
		}
	}
	for at, v := range all {
		if v.stopping && !can[at] {
			t.Fatalf("the shutdown cannot end any more:\n%s", strings.Join(path(all, at), "\n"))
		}
	}
	t.Logf("%d states, %d transitions", len(all), transitions)
	if len(all) < 1000 {
		t.Error("the walk has no teeth")
	}
}
