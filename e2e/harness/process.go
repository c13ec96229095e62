package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a child in a process group of its own. It dies with us, and what
// is left of its group is ended when the test ends.
type Process struct {
	Name string
	Log  string // file with its standard output and error
	PID  int

	cmd  *exec.Cmd
	ptmx *os.File // the far side of its terminal; nil: it has none
	done chan struct{}
	err  error
}

// Start runs argv. env nil is ours.
func Start(t T, name string, argv, env []string) *Process {
	t.Helper()
	return start(t, name, argv, env, &syscall.SysProcAttr{})
}

func start(t T, name string, argv, env []string, attr *syscall.SysProcAttr) *Process {
	t.Helper()
	p := &Process{Name: name, Log: filepath.Join(t.TempDir(), name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.Log)
	if err != nil {
		t.Fatalf("cannot make the log of %s: %v", name, err)
	}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, log, log
	attr.Setpgid, attr.Pdeathsig = !attr.Setctty, syscall.SIGKILL
	p.cmd.SysProcAttr = attr
	began := func() { log.Close() }
	if attr.Setctty {
		began = p.terminal(t, log)
	}
	err = p.cmd.Start()
	began()
	if err != nil {
		t.Fatalf("cannot start %s: %v", name, err)
	}
	p.PID = p.cmd.Process.Pid
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if t.Failed() && !p.well() {
			t.Logf("end of the log of %s:\n%s", name, p.Tail(40))
		}
		p.end()
	})
	return p
}

// well tells that the process has ended with 0 and warned of nothing: its log explains no failure.
func (p *Process) well() bool {
	select {
	case <-p.done:
		return p.err == nil && !strings.Contains(p.Output(), "[WARN]")
	default:
		return false
	}
}

// end asks politely for ten seconds, then kills the group.
func (p *Process) end() {
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	<-p.done
}

// Signal sends to the process alone; nil when it has already ended.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// Kill ends the process at once and waits for it.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end and returns the exit code, 128+n for signal n. The test
// fails when the process lives on after limit.
func (p *Process) Wait(t T, limit time.Duration) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		t.Fatalf("%s (pid %d) has not ended within %v", p.Name, p.PID, limit)
	}
	state := p.cmd.ProcessState
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// Output returns all that the process has written so far.
func (p *Process) Output() string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Tail returns the last n lines of the output.
func (p *Process) Tail(n int) string {
	lines := strings.Split(strings.TrimRight(p.Output(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
