package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"meshtask/internal/signame"
	"meshtask/internal/testbed/eventually"
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
		e := ended(t, c)
		if e.Status() != 128+int(sig) || e.Signal != sig {
			t.Errorf("signal %d: got %+v", sig, e)
		}
		if !strings.Contains(e.Error(), signame.Of(sig)) {
			t.Errorf("signal %d is not named in %q", sig, e.Error())
		}
	}
}

// outputOf runs a child to its end and returns its lines.
func outputOf(t *testing.T, s *Supervisor, spec Spec) string {
	t.Helper()
	var text bytes.Buffer
	spec.Lines = func(_ int, line []byte) { fmt.Fprintf(&text, "%s\n", line) }
	c := run(t, s, spec)
	ended(t, c)
	c.Clear(0)
	return text.String()
}

func TestTheChildIsAsItWasAskedFor(t *testing.T) {
	s := start(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	inherited, err := exec.Command("/bin/ls", "/proc/self/fd").Output() // with what the test was given
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, Spec{Name: "held", Argv: []string{"/bin/sleep", "60"}, Lines: func(int, []byte) {}}) // its pipes are open now
	extra := make([]*os.File, 3)
	for i, name := range []string{"three", "", "five"} {
		if name == "" {
			continue
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("it is "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		if extra[i], err = os.Open(file); err != nil {
			t.Fatal(err)
		}
		defer extra[i].Close()
	}
	for _, tt := range []struct {
		name string
		spec Spec
		want string
	}{
		{"directory", Spec{Argv: []string{"/bin/pwd"}, Dir: dir}, dir + "\n"},
		{"whole environment", Spec{Argv: []string{"/usr/bin/env"}, Env: []string{"A=1", "B=%s % d"}}, "A=1\nB=%s % d\n"},
		{"empty environment", Spec{Argv: []string{"/usr/bin/env"}}, ""},
		{"no input", Spec{Argv: []string{"/bin/cat"}}, ""},
		{"no other descriptors", Spec{Argv: []string{"/bin/ls", "/proc/self/fd"}}, string(inherited)},
		{
			"extra descriptors", Spec{Argv: []string{"/bin/sh", "-c", "cat <&3; echo; cat <&4; cat <&5; echo"}, ExtraFiles: extra},
			"it is three\nit is five\n",
		},
		{"own group", Spec{Argv: []string{"/bin/sh", "-c", `set -- $(cat /proc/$$/stat); test $1 = $5 && echo leader`}}, "leader\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Name = tt.name
			if got := outputOf(t, s, tt.spec); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDescriptorsAreHandedThrough(t *testing.T) {
	s := start(t)
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(in, []byte("byte \x00 exact"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := run(t, s, Spec{Name: "cat", Argv: []string{"/bin/cat"}, Stdin: r, Stdout: w})
	ended(t, c)
	if got, err := os.ReadFile(out); err != nil || string(got) != "byte \x00 exact" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSignals(t *testing.T) {
	s := start(t)
	t.Run("leader alone", func(t *testing.T) {
		spec := shell(`trap 'echo leader' USR1; sh -c 'trap "echo child" USR1; echo up; while :; do sleep 0.01; done' & while :; do wait; done`)
		lines := make(chan string, 10)
		spec.Lines = func(_ int, line []byte) { lines <- string(line) }
		c := run(t, s, spec)
		expect := func(want string) {
			t.Helper()
			line := <-lines
			for strings.HasPrefix(line, "User defined") { // a shell's word on its sleep
				line = <-lines
			}
			if line != want {
				t.Fatalf("got %q, want %q", line, want)
			}
		}
		expect("up")
		if err := c.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		expect("leader")
		_ = c.Signal(syscall.SIGSTOP) // so that the next word is the other's
		if err := c.SignalGroup(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		expect("child")
		_ = c.SignalGroup(syscall.SIGCONT)
		expect("leader")
	})
	t.Run("gone is no error", func(t *testing.T) {
		c := run(t, s, shell("exit 0"))
		ended(t, c)
		c.Clear(0)
		if !c.gone || !c.cleared {
			t.Error("its pid may be reused, and is not known to be")
		}
		if err := errors.Join(c.Signal(syscall.SIGTERM), c.SignalGroup(syscall.SIGTERM)); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseKillsWhatIsLeft(t *testing.T) {
	chld := make(chan os.Signal, 1)
	signal.Notify(chld, syscall.SIGCHLD)
	defer signal.Stop(chld)
	s, err := New(chld, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Start(shell(`trap '' TERM; while :; do sleep 1; done`))
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // which waits for 80 ms; on a busy machine it may end later, and nobody hears of it
	eventually.True(t, "KILL has ended it", func() bool { p, there := process(c.pid); return !there || p.state == 'Z' })
	select {
	case <-c.Done():
		if e := c.Exit(); e.Signal != syscall.SIGKILL {
			t.Errorf("got %+v", e)
		}
	default:
		_, _ = wait4(c.pid, nil, nil)
	}
	if _, err := s.Start(shell("exit 0")); err == nil {
		t.Error("a closed supervisor starts children")
	}
	c.Clear(0)
}
