package consulagent

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/registration"
)

const (
	// firstPoll and lastPoll: no event tells that an agent knows the leader. Its lines say
	// when it is worth asking; before that it would log two warnings for each question, so
	// blindPoll is only for an agent whose lines have changed.
	firstPoll, lastPoll = 5 * time.Millisecond, 250 * time.Millisecond
	blindPoll           = 2 * time.Second

	joinHint = "consulAgent.retryJoin must name a server whose gossip port (8301, TCP and UDP) is open to this task, with the same datacenter, gossip key and CA"
)

// joining waits beside the agent until it is ready.
type joining struct {
	joined chan struct{} // closed when it is ready
	cancel context.CancelFunc
	wg     sync.WaitGroup

	external   bool // the agent is someone else's, and has no lines for us
	mu         sync.Mutex
	what, last string // what is waited for, and the last answer
	lines      *lines
}

// watch begins to wait. end must be called.
func watch(ctx context.Context, a *Agent, l *life) *joining {
	j := &joining{joined: make(chan struct{}), lines: l.lines, external: l.child == nil}
	ctx, j.cancel = context.WithCancel(ctx)
	j.wg.Go(func() {
		if j.await(ctx, l.client, a.c.Report) {
			close(j.joined)
		}
	})
	return j
}

// end stops waiting and returns when that is done. It may be called twice.
func (j *joining) end() {
	j.cancel()
	j.wg.Wait()
}

// await asks for the leader once the agent has joined, often at first, until there is one.
// Only an agent that has joined knows servers to ask for it.
func (j *joining) await(ctx context.Context, client *Client, report event.Report) bool {
	told, asked := "", time.Now()
	for pause := firstPoll; ctx.Err() == nil; {
		now, changed := j.lines.state()
		var err error
		if now.joined || time.Since(asked) >= blindPoll {
			asked = time.Now()
			leader, lerr := client.Leader(ctx)
			if lerr == nil && leader != "" {
				report(event.WaitOver{})
				return true
			}
			err = lerr
		}
		what, last := stage(now, err)
		j.mu.Lock()
		if ctx.Err() == nil || j.what == "" { // a call that was cut would hide the reason
			j.what, j.last = what, last
		}
		j.mu.Unlock()
		if told != what+last && ctx.Err() == nil {
			told = what + last
			report(event.WaitingFor("", what, j.because(errors.New(last), last, now), joinHint))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-changed:
			pause = firstPoll
		case <-timer.C:
			pause = min(pause*5/4, lastPoll)
		}
		timer.Stop()
	}
	return false
}

// stage says what an agent lacks to be ready, and the best reason that is known.
func stage(now events, err error) (what, last string) {
	if last = saying([]string{now.last()}); last == "" && err != nil {
		last = err.Error()
	}
	switch {
	case now.joined:
		return "a leader among the servers", last
	case now.running:
		return "the agent to join", last
	}
	return "the agent to start", last
}

// late is the error for the time-out.
func (j *joining) late(timeout time.Duration) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, _ := j.lines.state()
	e := &JoinError{Timeout: timeout, What: j.what, Lines: now.trouble}
	if len(e.Lines) == 0 {
		e.Last = j.last
	}
	return j.because(e, e.Last+" "+strings.Join(e.Lines, " "), now, "what", e.What, event.FactSaid, cmp.Or(saying(e.Lines), e.Last))
}

// because gives err the code of these words, with the facts in them. That our own agent does not
// answer yet says nothing of servers.
func (j *joining) because(err error, words string, now events, facts ...string) error {
	switch {
	case j.external && strings.Contains(words, "cannot be reached"):
		return event.Because(event.ConsulUnreachable, err, append(factsOf(event.ConsulUnreachable, words), append(facts, event.FactCase, event.CaseAgent)...)...)
	case !j.external && len(now.trouble) == 0:
		words = ""
	}
	code := causeOf(words, now.joined)
	return event.Because(code, err, append(facts, factsOf(code, words)...)...)
}

// External is the unit for an agent that someone else runs: it waits until that one is
// ready, and has nothing to end.
type External struct {
	Client  *Client
	Timeout time.Duration // to be ready; 0 is 120 s
	GiveUp  func(error)   // gets a *JoinError when that is over; nil: Run returns it

	Report event.Report
}

// Run is ready when the agent's API answers and knows a leader; it ends at once on stop.
func (x *External) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	if stopping(ctx, stop) {
		return nil
	}
	c := Config{Report: x.Report, GiveUp: x.GiveUp, JoinTimeout: x.Timeout}
	a := New(c)
	lines := newLines("", a.c.Output)
	lines.now.joined = true // as far as we can tell: it has no lines for us
	j := watch(ctx, a, &life{client: x.Client, lines: lines})
	defer j.end()
	timer := time.NewTimer(a.c.JoinTimeout)
	defer timer.Stop()
	joined, late := j.joined, timer.C
	for {
		select {
		case <-joined:
			joined, late = nil, nil
			a.c.Report(event.Joined{Agent: x.Client.cfg.Address})
			ready()
		case <-late:
			late = nil
			err := j.late(a.c.JoinTimeout)
			if a.c.GiveUp == nil {
				return err
			}
			a.c.GiveUp(err)
		case <-ctx.Done():
			return nil
		case <-stop:
			a.c.Report(event.Left{Result: string(registration.Skipped), Reason: "the agent is someone else's"})
			return nil
		}
	}
}
