package supervisor

import (
	"fmt"
	"syscall"
	"testing"
)

func TestExitCodes(t *testing.T) {
	s := start(t)
	for code := range 256 {
		c := run(t, s, shell(fmt.Sprint("exit ", code)))
		if e := ended(t, c); e.Status() != code || e.Code != code || e.Signal != 0 {
			t.Errorf("exit %d: got %+v", code, e)
		}
	}
}

func TestFatalSignals(t *testing.T) {
	s := start(t)
	for sig := syscall.Signal(1); sig < 65; sig++ {
		switch sig {
		case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH, // ignored
			syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, // stop
			32, 33: // the C library's own
			continue
		}
		c := run(t, s, Spec{Name: "sleep", Argv: []string{"/bin/sleep", "60"}})
		if err := c.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if e := ended(t, c); e.Status() != 128+int(sig) || e.Signal != sig {
			t.Errorf("signal %d: got %+v", sig, e)
		}
	}
}
