package harness

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal gives the process a pseudo-terminal for its streams; what it shows goes to log.
// The function that it returns is to be called once the process has been started.
func (p *Process) terminal(t T, log *os.File) (began func()) {
	t.Helper()
	fatal := func(err error) {
		if err != nil {
			t.Fatalf("no terminal for %s: %v", p.Name, err)
		}
	}
	var err error
	p.ptmx, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	fatal(err)
	t.Cleanup(func() { p.ptmx.Close() })
	n, err := unix.IoctlGetInt(int(p.ptmx.Fd()), unix.TIOCGPTN)
	fatal(err)
	fatal(unix.IoctlSetPointerInt(int(p.ptmx.Fd()), unix.TIOCSPTLCK, 0))
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	fatal(err)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = tty, tty, tty
	return func() {
		tty.Close()
		go func() {
			defer log.Close()
			_, _ = io.Copy(log, p.ptmx) // ends with the last close of the terminal
		}()
	}
}

// Keys are pressed at the terminal of the process.
func (p *Process) Keys(t T, text string) {
	t.Helper()
	if _, err := p.ptmx.WriteString(text); err != nil {
		t.Fatalf("the terminal of %s: %v", p.Name, err)
	}
}

// Foreground is the process group that has the terminal.
func (p *Process) Foreground(t T) int {
	t.Helper()
	group, err := unix.IoctlGetInt(int(p.ptmx.Fd()), unix.TIOCGPGRP)
	if err != nil {
		t.Fatalf("the terminal of %s: %v", p.Name, err)
	}
	return group
}
