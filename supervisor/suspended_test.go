package supervisor

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"meshtask/internal/event"
	"meshtask/internal/testbed/eventually"
)

// A child that a signal stops is said to be, with the signal and what to do, and so is that
// it goes on; the reaper goes on meanwhile.
func TestAStoppedChildIsSaid(t *testing.T) {
	s := start(t)
	st := onStage(t, s, shell("echo up; exec sleep 60"), nil)
	if line := <-st.lines; line != "up" {
		t.Fatal(line)
	}
	pid := st.pid()
	count := func(what string, n int) func() bool {
		return func() bool {
			st.mu.Lock()
			defer st.mu.Unlock()
			return strings.Count(strings.Join(st.notes, "\n"), what) == n
		}
	}
	for n := 1; n <= 3; n++ {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		eventually.True(t, "the stop is said", count(fmt.Sprintf("step suspended signal SIGSTOP pid %d", pid), n))
		if e := ended(t, run(t, s, shell("exit 3"))); e.Status() != 3 {
			t.Errorf("another child: %+v", e)
		}
		st.Forward(syscall.SIGCONT)
		eventually.True(t, "that it goes on is said", count("step resumed", n))
	}
	st.mu.Lock()
	if text := strings.Join(st.notes, "\n"); !strings.Contains(text, fmt.Sprintf("kill -CONT %d", os.Getpid())) {
		t.Errorf("what to do is not said:\n%s", text)
	}
	st.mu.Unlock()
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	eventually.True(t, "the last stop is said", count("suspended", 4))
	close(st.stop) // which continues it
	<-st.end
	if len(st.exits) != 1 || st.exits[0].Signal != syscall.SIGTERM {
		t.Errorf("%+v", st.exits)
	}
}

// playing runs a shell script as a Process on our terminal and tells what is said of it.
func playing(script string) {
	spec := shell(script)
	spec.Stdin, spec.Stdout, spec.Stderr, spec.Foreground = os.Stdin, os.Stdout, os.Stderr, true
	p := Process{Sup: playSupervisor(), Spec: func() (Spec, error) { return spec, nil }, Report: func(e event.Event) {
		switch e := e.(type) {
		case event.Suspended:
			fmt.Println("suspended by", e.Signal, "pid", e.PID, "ours", isForeground(), "fix:", e.Fix)
		case event.Resumed:
			fmt.Println("resumed, ours", isForeground())
		}
	}}
	err := p.Run(context.Background(), func() {}, nil)
	fmt.Println("end:", err, "ours", isForeground())
}

func playSuspended() { playing(`echo up; read line; echo got $line; exit 5`) }

// ^Z stops a child that is no shell. Then nobody would read the terminal, and ^C would reach
// nobody: so it is ours until the child goes on.
func TestTheTerminalIsOursWhileTheChildIsStopped(t *testing.T) {
	c, cmd := onTerminal(t, "suspended")
	eventually.True(t, "the child is up", c.has("up"))
	fmt.Fprint(c, "\x1a")
	eventually.True(t, "its stop is said", c.has("suspended by SIGTSTP"))
	eventually.True(t, "the terminal is ours", c.has("ours true fix: send CONT"))
	if err := syscall.Kill(c.child(t), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "it has the terminal again", c.has("resumed, ours false"))
	fmt.Fprintln(c, "hello")
	eventually.True(t, "and reads", c.has("got hello"))
	eventually.True(t, "until its end", c.has("exited with 5 ours true"))
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// child is the pid that was said.
func (c *console) child(t *testing.T) int {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	_, rest, _ := strings.Cut(c.text.String(), "suspended by SIGTSTP pid ")
	word, _, _ := strings.Cut(rest, " ")
	pid, err := strconv.Atoi(word)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// playReader is a supervisor in the background, as a shell's & makes it; its child reads.
func playReader() { playing(`echo up; read line; echo got $line; exit 5`) }

// playForeground is the shell: it starts one, and brings it to the foreground when it is told.
func playForeground() {
	s := playSupervisor()
	spec := player("reader")
	c := playChild(s, spec)
	for line := ""; line != "fg"; {
		_, _ = fmt.Scanln(&line)
	}
	if err := unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, c.PID()); err != nil {
		panic(err)
	}
	<-c.Done()
}

// A child that reads the terminal from the background is stopped by the kernel: that is said,
// and once we are brought to the foreground it has the terminal and goes on.
func TestAReaderInTheBackgroundIsSaid(t *testing.T) {
	c, _ := onTerminal(t, "foreground")
	eventually.True(t, "it is stopped", c.has("suspended by SIGTTIN"))
	eventually.True(t, "what to do is said", c.has("fix: bring meshtask to the foreground of the terminal (fg)"))
	fmt.Fprintln(c, "fg")
	eventually.True(t, "it goes on", c.has("resumed, ours false"))
	fmt.Fprintln(c, "hello")
	eventually.True(t, "and reads", c.has("got hello"))
	eventually.True(t, "until its end", c.has("exited with 5"))
}
