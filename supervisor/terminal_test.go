package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"meshtask/internal/testbed/eventually"
)

// console is the far side of a pseudo-terminal.
type console struct {
	*os.File
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) has(text string) func() bool {
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return strings.Contains(c.text.String(), text)
	}
}

// onTerminal runs a play as leader of a session with a terminal, in its foreground.
func onTerminal(t *testing.T, play string) (*console, *exec.Cmd) {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(ptmx.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), playKey+"="+play, "GORACE=atexit_sleep_ms=0")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &console{File: ptmx}
	go func() { // ends with the last close of the terminal
		buf := make([]byte, 4096)
		for {
			n, err := ptmx.Read(buf)
			c.mu.Lock()
			c.text.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		ptmx.Close()
		if t.Failed() {
			c.mu.Lock()
			t.Logf("the terminal shows:\n%s", c.text.String())
			c.mu.Unlock()
		}
	})
	return c, cmd
}

// TestTheTerminalIsHandedOver: the child reads it, ^C reaches the child alone, window
// changes reach it, and then the terminal is ours again. Meanwhile we may write to it.
func TestTheTerminalIsHandedOver(t *testing.T) {
	c, cmd := onTerminal(t, "terminal")
	eventually.True(t, "a failed start gives the terminal back", c.has("after a failed start: true true"))
	eventually.True(t, "it is not taken from others", c.has("the foreground is left where it is"))
	eventually.True(t, "the child is up", c.has("up"))
	eventually.True(t, "we write in the background", c.has("log line"))
	eventually.True(t, "other children ignore nothing", c.has("away 0000000000000000"))
	fmt.Fprintln(c, "hello")
	eventually.True(t, "the child reads", c.has("got hello"))
	if err := unix.IoctlSetWinsize(int(c.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "the child sees the window change", c.has("size 40 100"))
	fmt.Fprint(c, "\x03")
	eventually.True(t, "the child dies of ^C", c.has("status 130"))
	eventually.True(t, "the terminal is ours again", c.has("ours again true"))
	eventually.True(t, "a second child has it too", c.has("second up"))
	fmt.Fprint(c, "\x03")
	eventually.True(t, "which dies of ^C as well", c.has("second status 130"))
	eventually.True(t, "no signal is left ignored", c.has("back 0000000000000000 true"))
	fmt.Fprintln(c, "end")
	if err := cmd.Wait(); err != nil {
		t.Error("the supervisor: ", err)
	}
}

func playTerminal() {
	// Here a background process that writes is stopped.
	if term, err := unix.IoctlGetTermios(0, unix.TCGETS); err != nil {
		panic(err)
	} else {
		term.Lflag |= unix.TOSTOP
		if err := unix.IoctlSetTermios(0, unix.TCSETS, term); err != nil {
			panic(err)
		}
	}
	s := playSupervisor()
	_, err := s.Start(Spec{Name: "missing", Argv: []string{"/no/such/command"}, Stdin: os.Stdin, Foreground: true})
	fmt.Println("after a failed start:", err != nil, isForeground())
	background := player("background")
	background.Stdin = os.Stdin
	background.Lines = func(_ int, line []byte) { fmt.Printf("%s\n", line) }
	c, err := s.Start(background)
	if err != nil {
		panic(err)
	}
	<-c.Done()
	c.Clear(0)

	spec := shell(`trap 'echo size $(stty size)' WINCH; echo up; while :; do read line && echo got $line; done`)
	spec.Foreground = true
	c = playChild(s, spec)
	fmt.Println("log line")
	fmt.Println("away", playIgnored(s)) // a child not in the foreground is as any other
	<-c.Done()
	c.Clear(0)
	exit := c.Exit()
	fmt.Println("status", exit.Status())
	fmt.Println("ours again", isForeground())

	spec = shell("echo second up; read line")
	spec.Foreground = true
	c = playChild(s, spec)
	<-c.Done()
	c.Clear(0)
	exit = c.Exit()
	fmt.Println("second status", exit.Status())
	own, _ := os.ReadFile("/proc/self/status")
	fmt.Println("back", playIgnored(s), bytes.Contains(own, []byte("SigIgn:\t0000000280000000"))) // 32 and 34, as ever
	var line string
	_, _ = fmt.Scanln(&line)
}

func isForeground() bool {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return err == nil && group == syscall.Getpgrp()
}

// playBackground is a supervisor that does not have the foreground, and so has none to
// give away.
func playBackground() {
	s := playSupervisor()
	spec := shell(`set -- $(cat /proc/$$/stat); test $5 != $8 && echo the foreground is left where it is`)
	spec.Foreground = true
	<-playChild(s, spec).Done()
}

// playIgnored is which signals a child ignores.
func playIgnored(s *Supervisor) (ignored string) {
	c, err := s.Start(Spec{
		Name: "grep", Argv: []string{"/bin/grep", "^SigIgn", "/proc/self/status"},
		Lines: func(_ int, line []byte) { ignored = strings.TrimSpace(string(line[len("SigIgn:"):])) },
	})
	if err != nil {
		return err.Error()
	}
	<-c.Done()
	c.Clear(0)
	return ignored
}

func TestForegroundWithoutATerminal(t *testing.T) {
	s := start(t)
	r, w := pipe(t)
	spec := Spec{Name: "cat", Argv: []string{"/bin/cat"}, Stdin: r, Foreground: true}
	c := run(t, s, spec)
	w.Close()
	if e := ended(t, c); e.Status() != 0 {
		t.Errorf("got %+v", e)
	}
	spec.Stdin = nil
	if e := ended(t, run(t, s, spec)); e.Status() != 0 {
		t.Errorf("got %+v", e)
	}
}
