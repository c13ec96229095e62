package consulagent

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
	"meshtask/internal/registration"
	"meshtask/internal/retry"
)

// The recipe of a leave that leaves nothing behind, with its reasons in
// docs/adr: an agent that is starting swallows TERM, or dies of it as a failed member; one
// that leaves before its first full sync writes itself back into the catalog, maybe as the last
// thing that it does.
const (
	knownMax    = 2 * time.Second        // to wait until the servers have the node
	graceMax    = 300 * time.Millisecond // from TERM to the line that a leave has begun
	heedMax     = 2 * time.Second        // from the line that the agent runs until no TERM is swallowed any more
	startMax    = 10 * time.Second       // from the stop on, for an agent that has neither joined nor been refused yet
	goneMax     = time.Second            // from TERM until gossip has told the servers
	leaveMax    = 2 * time.Second        // from TERM to the end, on a busy machine
	leaveCall   = 500 * time.Millisecond // one call, the servers' share included
	leaveMargin = 100 * time.Millisecond // of the grace, for KILL
	removeTries = 3                      // at once, one after another
	// refusedFor: an agent whose join has just failed is between two tries.
	refusedFor = retryInterval * 7 / 10
)

// leave ends the agent in good order within Grace. What still lives after it is killed.
func (a *Agent) leave(ctx context.Context, l *life) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, max(0, a.c.Grace()-leaveMargin))
	defer cancel()
	_ = l.child.Signal(syscall.SIGCONT) // were it stopped, it would answer nothing
	result, why := a.depart(ctx, l)
	a.c.Report(event.Left{Result: string(result), Reason: why, Ms: float64(time.Since(begun).Milliseconds())})
	if result == registration.Unverified {
		a.c.Log.Warn("the agent's leave is not verified, its node may stay in the catalog until it is reaped", "node", l.cfg.NodeName, "reason", why)
	}
}

// depart carries out the recipe, and says why the result is not Verified.
func (a *Agent) depart(ctx context.Context, l *life) (registration.Result, string) {
	switch state, err := l.known(ctx); state {
	case ended:
		return registration.Unverified, "the agent had ended before it was asked to leave"
	case unjoined:
		return registration.Skipped, "the agent had not joined"
	case cutOff:
		return registration.Unverified, "no server can be reached: " + err.Error()
	case starting:
		return registration.Unverified, fmt.Sprintf("the agent has not finished its start within %v", knownMax)
	case unseen:
		l.awaitFirstSync(ctx)
		if result, why := l.term(ctx, false); result != registration.Verified {
			return result, why
		}
		return registration.Unverified, fmt.Sprintf("the servers had not listed the node within %v; it was removed all the same", knownMax)
	}
	l.awaitFirstSync(ctx)
	return l.term(ctx, true)
}

// firstSyncUnsaid is how long awaitFirstSync may take without a line in the log.
const firstSyncUnsaid = 300 * time.Millisecond

// awaitFirstSync waits until the agent's first full sync is over, if the time allows. That sync writes
// a node that is gone, and the agent may end in the middle of it: nobody could see such a ghost,
// or remove it.
func (l *life) awaitFirstSync(ctx context.Context) {
	now, _ := l.lines.state()
	if l.atOnce || !now.joined {
		return
	}
	until := now.met.Add(FirstSync)
	if end, ok := ctx.Deadline(); ok && end.Add(-leaveMax).Before(until) {
		until = end.Add(-leaveMax)
	}
	wait := time.Until(until)
	if wait > firstSyncUnsaid {
		l.log.Info("the agent stays until its first full sync is over, which would bring its node back (docs/adr/0012)",
			"for", round(wait), "joined", round(time.Since(now.met))+" ago")
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.child.Done():
	case <-ctx.Done():
	}
}

// standing is what the servers and we know of the agent when it is asked to leave.
type standing int

const (
	listed   standing = iota // the servers list the node, and the agent hears signals
	unseen                   // it has joined, but is not listed
	starting                 // it does not hear signals yet
	unjoined                 // it has never met a server
	cutOff                   // it has, and knows none any more
	ended
)

// known waits until the node is listed: before that, "not listed" is "not yet" and not
// "gone", and a signal would meet an agent that is still starting. err is the last answer.
func (l *life) known(ctx context.Context) (standing, error) {
	limit := knownMax
	if end, ok := ctx.Deadline(); ok { // the leave itself needs its share
		limit = min(limit, max(time.Until(end)/2, time.Until(end)-goneMax))
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	pace := newPace()
	more := startMax - limit // for one that is starting, or at a join: killed then, it may have joined unheard
	if end, ok := ctx.Deadline(); ok {
		more = min(more, time.Until(end)-limit-goneMax)
	}
	for {
		now, changed := l.lines.state()
		if !now.joined && !now.refused.IsZero() && time.Since(now.refused) < refusedFor {
			return unjoined, nil
		}
		found, err := l.listed(ctx)
		switch {
		case found && now.running:
			return listed, nil
		case registration.NoServers(err) && l.ready: // while it joins, it says so for a moment
			return cutOff, err
		}
		poll := time.NewTimer(pace.next(err))
		select {
		case <-changed:
		case <-poll.C:
		case <-l.child.Done():
			return ended, nil
		case <-timer.C:
			if now, _ := l.lines.state(); !now.joined && more > 0 {
				l.log.Info("the agent has neither joined nor been refused, and is waited for: killed now, it might leave its node behind", "for", round(more))
				timer.Reset(more)
				more = 0
				break
			}
			return l.late(), err
		case <-ctx.Done():
			return l.late(), err
		}
		poll.Stop()
	}
}

// late is the standing of an agent that was not listed in time.
func (l *life) late() standing {
	switch now, _ := l.lines.state(); {
	case !now.joined:
		return unjoined
	case !now.running:
		return starting
	}
	return unseen
}

// term makes the agent leave: TERM, until its own node is gone, then KILL, which ends it at
// once. seen: the servers had listed the node, so that "not listed" is "gone".
func (l *life) term(ctx context.Context, seen bool) (registration.Result, string) {
	_ = l.child.Signal(syscall.SIGTERM)
	swallowed := time.NewTimer(graceMax)
	defer swallowed.Stop()
	forced := time.NewTimer(l.force(ctx))
	defer forced.Stop()
	pace := newPace()
	poll := time.NewTimer(pace.next(nil))
	defer poll.Stop()
	var last error
	for {
		select {
		case <-l.child.Done():
			return registration.Unverified, "the agent ended before its node was seen to be gone"
		case <-ctx.Done():
			return registration.Unverified, fmt.Sprintf("there was no time for it (last: %v)", last)
		case <-swallowed.C:
			// Of an agent that runs for a while, it is the line that is late: a second TERM
			// would end it before it has left.
			if now, _ := l.lines.state(); !now.leaving && time.Since(now.since) < heedMax+graceMax {
				_ = l.child.Signal(syscall.SIGTERM)
			}
		case <-forced.C:
			err := l.remove(ctx)
			l.exit()
			if err != nil {
				return registration.Unverified, fmt.Sprintf("gossip did not tell the servers within %v, and the node cannot be removed (the agent's token needs node:write): %v", goneMax, err)
			}
			return registration.Verified, ""
		case <-poll.C:
			found, err := l.listed(ctx)
			if last = err; err == nil && !found && seen {
				l.exit()
				return registration.Verified, ""
			}
			poll.Reset(pace.next(err))
		}
	}
}

// The looks of a leave: no event tells when the servers have dropped the node. Gossip takes
// a tenth of a second or three, so that long it is looked for often. What takes longer, or
// fails, is not hurried by questions, each of which an agent without servers would log twice.
const (
	leaveUsual = 400 * time.Millisecond
	leavePoll  = 10 * time.Millisecond  // within leaveUsual; doubled behind it
	leaveSlow  = 250 * time.Millisecond // and no longer than this
)

func round(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// pace spaces the looks of one leave.
type pace struct {
	usual time.Time // until when all is as it mostly is
	slow  retry.Backoff
}

func newPace() *pace {
	return &pace{time.Now().Add(leaveUsual), retry.Backoff{First: 2 * leavePoll, Max: leaveSlow}}
}

// next is the pause after a look that has failed, or has not.
func (p *pace) next(err error) time.Duration {
	if err == nil && time.Now().Before(p.usual) {
		return retry.Spread(leavePoll)
	}
	return p.slow.Next()
}

// listed looks for the node in the servers' catalog by the agent's token. Where they do not
// know that, the service's token may read the node all the same.
func (l *life) listed(ctx context.Context) (bool, error) {
	token := l.client.cfg.Token()
	if l.reader != "" {
		token = l.reader
	}
	found, err := l.client.listed(ctx, l.cfg.NodeName, token)
	if other := l.service(); registration.ACLNotFound(err) && other != "" && other != token {
		l.reader = other
		return l.client.listed(ctx, l.cfg.NodeName, other)
	}
	return found, err
}

// remove takes the node out of the catalog by force, and looks: the agent or the leader may
// be writing it at this moment.
func (l *life) remove(ctx context.Context) error {
	for range removeTries {
		if err := l.client.calls.DeregisterCatalog(ctx, api.CatalogDeregistration{Node: l.cfg.NodeName}, l.client.cfg.Token()); err != nil {
			return err
		}
		if found, err := l.listed(ctx); err != nil || !found {
			return err
		}
	}
	return errors.New("it comes back")
}

// force is when the node is removed by force: early enough for that and for the end.
func (l *life) force(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return goneMax
	}
	return min(goneMax, max(0, time.Until(end)*2/3))
}

// exit ends the agent with KILL once its node is out of the catalog: its 3 s of farewell are
// for other members, who know of the leave by now. Not with a second TERM: whatever an agent
// still does before it heeds that, its own anti-entropy above all, can write the node back (1
// ghost in 800 stops on a loaded machine). One that has not begun to leave heeds nothing: it is
// killed as well, and named.
func (l *life) exit() {
	if now, _ := l.lines.state(); now.leaving {
		_ = l.child.Signal(syscall.SIGKILL)
		l.left = true
	}
}
