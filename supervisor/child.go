package supervisor

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// Child is a process that was started here. Its methods may be called from any goroutine.
type Child struct {
	name string
	pid  int
	sup  *Supervisor
	out  *output  // nil: its streams were handed through
	tty  *os.File // that it has, by our doing; of the spawning thread alone

	terminal *os.File            // that it is to have while it is ours to give; nil: none
	turns    chan syscall.Signal // the last turn: the signal that stopped it, 0 when it goes on; nil: not asked for

	done chan struct{} // closed by the reaper
	exit Exit

	mu      sync.Mutex // keeps pid from being reused between a check and a kill
	gone    bool       // the leader has been reaped
	cleared bool       // the group has been seen empty
}

// PID is the process ID, and the process group ID, of the child.
func (c *Child) PID() int { return c.pid }

// Done is closed when the process has ended and is reaped. Its output may still be open,
// and others of its group may still live: see Clear.
func (c *Child) Done() <-chan struct{} { return c.done }

// Exit is how the process ended; it is valid after Done.
func (c *Child) Exit() Exit { return c.exit }

// Signal sends sig to the process; nil when it has gone already.
func (c *Child) Signal(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil
	}
	return gone(syscall.Kill(c.pid, sig))
}

// SignalGroup sends sig to every process of the child's group; nil when all have gone.
func (c *Child) SignalGroup(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cleared {
		return nil
	}
	return gone(syscall.Kill(-c.pid, sig))
}

func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// Tail is the last 20 lines of output, oldest first, each cut at 1 KiB. It is empty
// unless Spec.Lines was set.
func (c *Child) Tail() []string {
	if c.out == nil {
		return nil
	}
	return c.out.last()
}

// Clear ends what the child has left behind in its group: TERM and CONT, KILL after grace
// (at once when grace is 0). Then it closes the output pipes, having passed on what is in
// them; a process of another group that still writes to them gets EPIPE. It is called after Done,
// and returns as soon as nothing is left, at most a second after grace.
func (c *Child) Clear(grace time.Duration) { c.clear(grace, killWait) }

// tell notes a turn in the place of an earlier one. The reaper alone calls it.
func (c *Child) tell(sig syscall.Signal) {
	select {
	case <-c.turns:
	default:
	}
	c.turns <- sig
}

// reaped takes the status under the lock, so that a signal never meets a reused pid.
func (c *Child) reaped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ws syscall.WaitStatus
	var ru syscall.Rusage
	pid, err := wait4(c.pid, &ws, &ru)
	switch {
	case pid == c.pid:
		c.exit = exitOf(c.name, c.pid, ws, &ru)
	case errors.Is(err, syscall.ECHILD): // against our rules, someone else has waited for it
		c.exit = Exit{Name: c.name, PID: c.pid, Code: 255}
	default:
		return false
	}
	c.gone = true
	return true
}

// ended is reaped for a status that was met by the way.
func (c *Child) ended(exit Exit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exit, c.gone = exit, true
}
