package supervisor

import (
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

// reclaimTerminal takes the terminal back from the child's group.
func (c *Child) reclaimTerminal() {
	if c.tty == nil {
		return
	}
	c.sup.onThread(func() { takeForeground(c.tty, c.pid) })
	c.tty = nil
}

// takeForeground runs on the spawning thread, with TTOU blocked there: to a background
// process that changes the foreground group the kernel sends TTOU, which would stop us.
func takeForeground(tty *os.File, from int) {
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	if err != nil || group != from {
		return
	}
	var block, old unix.Sigset_t
	block.Val[0] = 1 << (uint(unix.SIGTTOU) - 1)
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &block, &old)
	_ = unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, syscall.Getpgrp())
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
}
