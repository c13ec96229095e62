package supervisor

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/signame"
)

// offerEvery is the pause between two looks whether the terminal is ours to give by now: no
// event tells. It runs only while a child is stopped because it wants the terminal.
const offerEvery = 250 * time.Millisecond

// mind says when the child is stopped by a signal, and when it goes on, and sees to it that
// it has the terminal again then. The function that it returns ends that and waits for it.
func (p *Process) mind(c *Child) func() {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s := suspension{p: p, c: c}
		for {
			var again <-chan time.Time // set only while it is stopped for want of the terminal
			if s.wants() {
				again = time.After(offerEvery)
			}
			select {
			case sig := <-c.turns:
				s.turn(sig)
			case <-again:
				s.heal()
			case <-c.done:
				return
			case <-over:
				return
			}
		}
	}()
	return func() { close(over); <-done }
}

// suspension is what is known of a child that may be stopped.
type suspension struct {
	p  *Process
	c  *Child
	by syscall.Signal // that it has been said to be stopped by; 0: it runs
}

// wants says whether the child is stopped because it has used the terminal from the background.
func (s *suspension) wants() bool { return s.by == syscall.SIGTTIN || s.by == syscall.SIGTTOU }

// heal gives a child that is stopped for want of the terminal what it wants.
func (s *suspension) heal() bool {
	if !s.c.offerTerminal() {
		return false
	}
	_ = s.c.SignalGroup(syscall.SIGCONT)
	return true
}

// turn takes a stop, or 0 for its end. While the child is stopped the terminal is ours, so
// that its keys reach somebody.
func (s *suspension) turn(sig syscall.Signal) {
	if sig == 0 {
		s.c.offerTerminal()
		if s.by != 0 {
			s.by = 0
			s.p.report(event.Resumed{})
		}
		return
	}
	if (sig == syscall.SIGTTIN || sig == syscall.SIGTTOU) && s.heal() {
		return
	}
	s.c.reclaimTerminal()
	if s.by == sig {
		return
	}
	s.by = sig
	s.p.report(event.Suspended{Signal: signame.Of(sig), PID: s.c.pid, Fix: s.fix()})
}

// fix is what usually makes the child go on.
func (s *suspension) fix() string {
	if s.wants() {
		return "bring meshtask to the foreground of the terminal (fg), or start it with </dev/null if the app needs no terminal"
	}
	return fmt.Sprintf("send CONT to continue it (kill -CONT %d); TERM, or Ctrl-C in its terminal, ends the task", os.Getpid())
}
