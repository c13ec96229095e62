package conformance

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func terminalCases() []kase {
	return []kase{
		{name: "the app reads the terminal", run: func(b *bed) {
			l := b.start(how{console: true}, sh(`echo up; while read line; do echo "got $line"; done; exit 4`))
			l.see("up")
			l.keys("hello\n")
			l.see("got hello")
			l.keys("\x04") // end of file
			l.ends(4)
		}},
		{name: "ctrl-C ends the app with 130", run: func(b *bed) {
			l := b.start(how{console: true}, sh("echo up; exec sleep 60"))
			l.see("up")
			b.eventually("sleep runs", func() bool { return comm(l.app()) == "sleep" })
			l.keys("\x03")
			l.ends(130)
		}},
		{name: "the app sees the window change", run: func(b *bed) {
			l := b.start(how{console: true}, sh(`trap 'echo size $(stty size)' WINCH; echo up; while :; do read line; done`))
			l.see("up")
			if err := unix.IoctlSetWinsize(int(l.ptmx.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}); err != nil {
				b.Fatal(err)
			}
			l.see("size 40 100")
		}},
		{name: "the app has job control", run: func(b *bed) {
			l := b.start(how{console: true}, sh(`set -m; (read line; echo "job got $line"); read line; echo "shell got $line"; exit 6`))
			l.keys("one\n")
			l.see("job got one")
			l.keys("two\n")
			l.see("shell got two")
			l.ends(6)
		}},
	}
}

// terminal makes a pseudo-terminal, the far side of which is the init's.
func (l *life) terminal() *os.File {
	b := l.b
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		b.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		b.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		b.Fatal(err)
	}
	l.ptmx = ptmx
	l.cmd.Stdin, l.cmd.Stdout, l.cmd.Stderr = tty, tty, tty
	l.cmd.SysProcAttr.Setsid, l.cmd.SysProcAttr.Setctty = true, true
	l.out.follow(ptmx)
	return tty
}

func (l *life) keys(text string) {
	l.b.Helper()
	if _, err := l.ptmx.WriteString(text); err != nil {
		l.b.Fatal(err)
	}
}
