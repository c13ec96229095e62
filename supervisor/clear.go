package supervisor

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// killWait bounds the wait for processes that have got KILL: only one that is in
// uninterruptible sleep outlasts it.
const killWait = time.Second

// clearGroup returns who is left after all.
func (c *Child) clearGroup(grace time.Duration) []proc {
	if c.empty() {
		return nil
	}
	if grace > 0 {
		_ = c.SignalGroup(syscall.SIGTERM)
		_ = c.SignalGroup(syscall.SIGCONT) // a stopped process keeps TERM pending until then
		if c.waitEmpty(grace) {
			return nil
		}
	}
	_ = c.SignalGroup(syscall.SIGKILL)
	if c.waitEmpty(killWait) {
		return nil
	}
	left := living(c.pid)
	for _, p := range left {
		c.sup.log.Warn("still there after KILL", "name", c.name, "process", p)
	}
	return left
}

// empty says whether the group has no process left. A zombie still counts for the kernel.
func (c *Child) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.clear {
		c.clear = c.gone && errors.Is(syscall.Kill(-c.pid, 0), syscall.ESRCH)
	}
	return c.clear
}

// waitEmpty waits for the group to become empty. Its orphans are ours, so that each death
// ends in a sweep; the poll is for members whose parent lives elsewhere, in which case a
// zombie counts as gone.
func (c *Child) waitEmpty(limit time.Duration) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		swept := c.sup.changed()
		if c.empty() {
			return true
		}
		poll := time.NewTimer(pause)
		select {
		case <-swept:
		case <-poll.C:
			if len(living(c.pid)) == 0 {
				return true
			}
		case <-deadline.C:
			return c.empty()
		}
		poll.Stop()
	}
}

// Stuck describes the process when it is still there, for use after a KILL that has not
// ended it: name, state and, where the kernel tells, what it waits in.
func (c *Child) stuck() string {
	if p, ok := process(c.pid); ok {
		return p.String()
	}
	return fmt.Sprintf("%s (pid %d)", c.name, c.pid)
}
