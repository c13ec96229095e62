package consulagent

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
)

// The recipe of a leave that leaves nothing behind, with its reasons in
// docs/adr: an agent that is starting swallows TERM, or dies of it as a failed member; one
// that is leaving writes itself back into the catalog for 3 s, whatever it was told.
const (
	knownMax    = 2 * time.Second        // to wait until the servers have the node
	graceMax    = 300 * time.Millisecond // from TERM to the line that a leave has begun
	goneMax     = time.Second            // from TERM until gossip has told the servers
	exitUsual   = 300 * time.Millisecond // from KILL to the end, on a busy machine
	exitMax     = time.Second            // longer only in uninterruptible sleep
	leavePoll   = 8 * time.Millisecond   // no event tells when the servers have dropped the node
	leaveCall   = 500 * time.Millisecond // one call, the servers' share included
	leaveMargin = 100 * time.Millisecond // of the grace, for KILL
	removeTries = 3                      // at once, one after another
	stayPoll    = 25 * time.Millisecond  // between two looks whether the node has come back
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
	a.c.Report(event.Left{Result: string(result), Reason: why, Ms: float64(time.Since(begun).Milliseconds()), Back: l.back})
	if result == Unverified {
		a.c.Log.Warn("the agent's leave is not verified, its node may stay in the catalog until it is reaped", "node", l.cfg.NodeName, "reason", why)
	}
}

// depart carries out the recipe, and says why the result is not Verified.
func (a *Agent) depart(ctx context.Context, l *life) (Result, string) {
	switch state, err := l.known(ctx); state {
	case ended:
		return Unverified, "the agent had ended before it was asked to leave"
	case unjoined:
		return Skipped, "the agent had not joined"
	case cutOff:
		return Unverified, "no server can be reached: " + err.Error()
	case starting:
		return Unverified, fmt.Sprintf("the agent has not finished its start within %v", knownMax)
	case unseen:
		if result, why := l.term(ctx, false); result != Verified {
			return result, why
		}
		return Unverified, fmt.Sprintf("the servers had not listed the node within %v; it was removed all the same", knownMax)
	}
	return l.term(ctx, true)
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
	for {
		now, changed := l.lines.state()
		if !now.joined && !now.refused.IsZero() && time.Since(now.refused) < refusedFor {
			return unjoined, nil
		}
		found, err := l.client.listed(ctx, l.cfg.NodeName, l.client.cfg.Token())
		switch {
		case found && now.running:
			return listed, nil
		case noServers(err) && l.ready: // while it joins, it says so for a moment
			return cutOff, err
		}
		poll := time.NewTimer(leavePoll)
		select {
		case <-changed:
		case <-poll.C:
		case <-l.child.Done():
			return ended, nil
		case <-timer.C:
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
func (l *life) term(ctx context.Context, seen bool) (Result, string) {
	_ = l.child.Signal(syscall.SIGTERM)
	swallowed := time.NewTimer(graceMax)
	defer swallowed.Stop()
	forced := time.NewTimer(l.force(ctx))
	defer forced.Stop()
	poll := time.NewTicker(leavePoll)
	defer poll.Stop()
	var last error
	for {
		select {
		case <-l.child.Done():
			return Unverified, "the agent ended before its node was seen to be gone"
		case <-ctx.Done():
			return Unverified, fmt.Sprintf("there was no time for it (last: %v)", last)
		case <-swallowed.C:
			if now, _ := l.lines.state(); !now.leaving {
				_ = l.child.Signal(syscall.SIGTERM)
			}
		case <-forced.C:
			err := l.remove(ctx)
			if err == nil {
				err = l.stay(ctx)
			}
			l.exit(ctx)
			if err != nil {
				return Unverified, fmt.Sprintf("gossip did not tell the servers within %v, and the node cannot be removed (the agent's token needs node:write): %v", goneMax, err)
			}
			return Verified, ""
		case <-poll.C:
			found, err := l.client.listed(ctx, l.cfg.NodeName, l.client.cfg.Token())
			if last = err; err == nil && !found && seen {
				err := l.stay(ctx)
				l.exit(ctx)
				if err != nil {
					return Unverified, "the node came back, and cannot be removed (the agent's token needs node:write): " + err.Error()
				}
				return Verified, ""
			}
		}
	}
}

// remove takes the node out of the catalog by force, and looks: the agent or the leader may
// be writing it at this moment.
func (l *life) remove(ctx context.Context) error {
	for range removeTries {
		if err := l.client.deregister(ctx, api.CatalogDeregistration{Node: l.cfg.NodeName}, l.client.cfg.Token()); err != nil {
			return err
		}
		if found, err := l.client.listed(ctx, l.cfg.NodeName, l.client.cfg.Token()); err != nil || !found {
			return err
		}
	}
	return errors.New("it comes back")
}

// stay watches over a node that is gone for as long as the agent's first full sync may still
// write it, and removes it again: to kill the agent in the middle of that write would leave a
// ghost that nobody sees. An agent that ends meanwhile has stopped to sync before.
func (l *life) stay(ctx context.Context) error {
	now, _ := l.lines.state()
	if l.atOnce || !now.joined {
		return nil
	}
	until := now.met.Add(FirstSync)
	if end, ok := ctx.Deadline(); ok && end.Add(-exitUsual).Before(until) {
		until = end.Add(-exitUsual)
	}
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	poll := time.NewTicker(stayPoll)
	defer poll.Stop()
	for {
		select {
		case <-over.C:
			return nil
		case <-l.child.Done():
			return nil
		case <-ctx.Done():
			return nil
		case <-poll.C:
			if found, err := l.client.listed(ctx, l.cfg.NodeName, l.client.cfg.Token()); err != nil || !found {
				continue
			}
			l.back++
			if err := l.remove(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
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
// ghost in 800 stops on a loaded machine).
func (l *life) exit(ctx context.Context) {
	if now, _ := l.lines.state(); !now.leaving {
		return // it heeds nothing: what still lives after the leave is killed, and named
	}
	_ = l.child.Signal(syscall.SIGKILL)
	timer := time.NewTimer(exitMax)
	defer timer.Stop()
	select {
	case <-l.child.Done():
	case <-ctx.Done():
	case <-timer.C:
	}
}
