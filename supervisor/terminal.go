package supervisor

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is f when it is our controlling terminal and we are in its foreground: only
// then is it ours to give away.
func terminal(f *os.File) *os.File {
	if f == nil {
		return nil
	}
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	if err != nil || group != syscall.Getpgrp() {
		return nil
	}
	return f
}

// giveTerminal notes, on the spawning thread, that the terminal's foreground is a child's.
// From now on a terminal that is set to do so would stop us for writing a log line: TTOU
// is ignored until the terminal is back.
func (s *Supervisor) giveTerminal() {
	s.away++
	setDisposition(syscall.SIGTTOU, sigIgnore)
}

// lendTTOU makes TTOU default for the moment of a fork, because a child inherits what is
// ignored.
func (s *Supervisor) lendTTOU() (back func()) {
	if s.away == 0 {
		return func() {}
	}
	setDisposition(syscall.SIGTTOU, sigDefault)
	return func() { setDisposition(syscall.SIGTTOU, sigIgnore) }
}

// reclaimTerminal takes the terminal back from the child's group, if it has been given to it.
func (c *Child) reclaimTerminal() {
	if c.terminal != nil {
		c.sup.onThread(func() { c.sup.takeTerminal(c) })
	}
}

// offerTerminal gives the child's group the terminal, where that is ours to give by now, and
// says whether the group has it.
func (c *Child) offerTerminal() (has bool) {
	if c.terminal != nil {
		c.sup.onThread(func() { has = c.sup.handTerminal(c) })
	}
	return has
}

// handTerminal runs on the spawning thread. Somebody may have taken the foreground from the
// child, and given it to us, as a shell does that had stopped us.
func (s *Supervisor) handTerminal(c *Child) bool {
	tty := c.tty
	if tty != nil {
		if group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP); err != nil || group == c.pid {
			return err == nil
		}
	}
	if terminal(c.terminal) == nil || unix.IoctlSetPointerInt(int(c.terminal.Fd()), unix.TIOCSPGRP, c.pid) != nil {
		return false
	}
	if tty == nil {
		c.tty = c.terminal
		s.giveTerminal()
	}
	return true
}

// takeTerminal runs on the spawning thread. It leaves the foreground to a group that has
// taken it meanwhile, unless that group is no more (a job of the child's, or a failed exec).
func (s *Supervisor) takeTerminal(c *Child) {
	if c.tty == nil {
		return
	}
	// TTOU, which the kernel sends to a background process that does this, is ignored.
	group, err := unix.IoctlGetInt(int(c.tty.Fd()), unix.TIOCGPGRP)
	if err == nil && (group == c.pid || errors.Is(syscall.Kill(-group, 0), syscall.ESRCH)) {
		_ = unix.IoctlSetPointerInt(int(c.tty.Fd()), unix.TIOCSPGRP, syscall.Getpgrp())
	}
	c.tty = nil
	if s.away--; s.away == 0 {
		setDisposition(syscall.SIGTTOU, sigDefault)
	}
}
