package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

const (
	// killWait is the wait for a process that has got KILL.
	killWait = time.Second
	// heldWait bounds how much longer it may be, as far as its caller has the time, for one that the
	// kernel holds: it waits for a disk or for the processor, or is taken apart. On a busy virtual
	// machine that took 8 s of an Envoy of 60 MB.
	heldWait = 10 * time.Second
	// hurry is the same bound when everything is to end now, zombieWait one more for what has ended
	// and was not heard of on a busy machine. Both fit into what a stop keeps for its end.
	hurry, zombieWait = 80 * time.Millisecond, 400 * time.Millisecond
)

// StuckError names a process that KILL has not ended in time: the kernel holds it, mostly in
// uninterruptible sleep.
type StuckError struct {
	Name    string
	Process string // its name, pid, state and, where the kernel tells, what it waits in
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("%s is still there after KILL: %s", e.Name, e.Process)
}

// Kill sends KILL to the group and waits until the process has ended: a second at most, and more,
// up to 10 s, if the kernel still holds it; 80 ms from when ctx is done, half a second for one that
// has ended and was not heard of. The error is a *StuckError, behind why the process is killed
// where that is not nil.
func (c *Child) Kill(ctx context.Context, why error, more time.Duration) error {
	stuck := c.kill(ctx, killWait, more)
	if stuck != nil && why != nil {
		return fmt.Errorf("%w; %w", why, stuck)
	}
	return stuck
}

// Dying says whether the process runs nothing of its own any more, and the kernel only takes it
// apart: it has ended by itself, or has taken KILL.
func (c *Child) Dying() bool {
	p, there := process(c.pid)
	return there && p.dying
}

// kill sends KILL to the group and waits for the leader, at most limit, and only hurry from
// when ctx is done; more behind that, if the kernel still holds it.
func (c *Child) kill(ctx context.Context, limit, more time.Duration) error {
	_ = c.SignalGroup(syscall.SIGKILL)
	if c.endsWithin(ctx, limit) {
		return nil
	}
	stuck := &StuckError{Name: c.name, Process: fmt.Sprintf("pid %d", c.pid)}
	p, there := process(c.pid)
	if there {
		stuck.Process = p.String()
	}
	switch {
	case !there: // we hear of that for sure, however busy the machine is
		ctx, limit = context.WithoutCancel(ctx), killWait
	case p.ended() && ctx.Err() != nil: // likewise, unless somebody traces it
		ctx, limit = context.WithoutCancel(ctx), zombieWait
	case p.ended():
	default:
		limit = min(more, heldWait)
	}
	if c.endsWithin(ctx, limit) {
		return nil
	}
	return stuck
}

// endsWithin waits for the leader's end, at most limit, and only hurry from when ctx is done.
func (c *Child) endsWithin(ctx context.Context, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { timer.Reset(min(limit, hurry)) })()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}

// clear ends what is left of the group, then the output. It returns the processes that TERM
// did not end within grace, so that KILL was needed; limit bounds the wait after KILL.
func (c *Child) clear(grace, limit time.Duration) (killed []proc) {
	killed = c.clearGroup(grace, limit)
	c.reclaimTerminal()
	if c.out != nil {
		c.out.close(limit)
	}
	return killed
}

func (c *Child) clearGroup(grace, limit time.Duration) (killed []proc) {
	if c.empty() {
		return nil
	}
	if grace > 0 {
		_ = c.SignalGroup(syscall.SIGTERM)
		_ = c.SignalGroup(syscall.SIGCONT) // a stopped process keeps TERM pending until then
		if c.waitEmpty(grace) {
			return nil
		}
		killed = living(c.pid)
	}
	_ = c.SignalGroup(syscall.SIGKILL)
	if c.waitEmpty(limit) {
		return killed
	}
	stuck := slices.DeleteFunc(living(c.pid), func(p proc) bool { return p.dying })
	if len(stuck) == 0 && limit >= killWait {
		c.waitEmpty(limit)
	}
	for _, p := range stuck {
		c.sup.log.Warn("still there after KILL", "name", c.name, "process", p)
	}
	return killed
}

// empty says whether the group has no process left. A zombie still counts for the kernel.
func (c *Child) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cleared {
		c.cleared = c.gone && errors.Is(syscall.Kill(-c.pid, 0), syscall.ESRCH)
	}
	return c.cleared
}

// waitEmpty waits for the group to become empty.
func (c *Child) waitEmpty(limit time.Duration) bool {
	return c.sup.await(limit, c.empty, func() bool { return len(living(c.pid)) == 0 })
}

// await waits until done, which it asks after each sweep: the orphans are ours, so their
// deaths end in one. The poll with look is for processes whose parent lives elsewhere and
// may leave them as zombies; it grows because it reads all of /proc.
func (s *Supervisor) await(limit time.Duration, done, look func() bool) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for pause := 10 * time.Millisecond; ; {
		swept := s.changed()
		if done() {
			return true
		}
		poll := time.NewTimer(pause)
		select {
		case <-swept:
		case <-poll.C:
			if look() {
				return true
			}
			pause = min(2*pause, 200*time.Millisecond)
		case <-deadline.C:
			return done()
		}
		poll.Stop()
	}
}

// ClearAdopted ends the processes that were left to us by others, in whatever group or
// session: TERM and CONT, then KILL after grace. Children that were started here and still
// live are not touched. It returns as soon as none is left, at most as long again after
// grace (a second at most), with the names of those that KILL was needed for.
func (s *Supervisor) ClearAdopted(grace time.Duration) (killed []string) {
	none := func() bool { return s.signalAdopted(0) == 0 }
	if s.signalAdopted(syscall.SIGTERM) == 0 {
		return nil
	}
	s.signalAdopted(syscall.SIGCONT)
	if s.await(grace, none, none) {
		return nil
	}
	for _, pid := range s.adopted() {
		if p, ok := process(pid); ok {
			killed = append(killed, p.String())
		}
	}
	// Processes that lose their parent by a KILL are left to us, and killed in their turn.
	s.await(min(killWait, max(grace, hurry)), func() bool { return s.signalAdopted(syscall.SIGKILL) == 0 }, none)
	return killed
}

// adopted lists living children that were not started here.
func (s *Supervisor) adopted() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.adoptedLocked()
}

func (s *Supervisor) adoptedLocked() []int {
	if _, err := firstZombie(); errors.Is(err, syscall.ECHILD) {
		return nil // the usual case, without a look at /proc
	}
	var pids []int
	for _, pid := range children() {
		if s.own[pid] == nil && !zombie(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// signalAdopted holds the lock, so that none of the pids is reaped and reused meanwhile.
func (s *Supervisor) signalAdopted(sig syscall.Signal) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	pids := s.adoptedLocked()
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig)
	}
	return len(pids)
}
