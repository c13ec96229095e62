package supervisor

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Spec says what to start and how.
type Spec struct {
	// Name labels the child in logs and errors.
	Name string
	// Argv is the whole argument vector.
	Argv []string
	// Path is what is executed (see Look); "" is Argv[0].
	Path string
	// Env is the whole environment of the child.
	Env []string
	// Dir is the working directory; "" is ours.
	Dir string
	// User runs the child as someone else; nil is ours.
	User *User
	// Stdin, Stdout and Stderr are handed through untouched; nil is the null device.
	Stdin, Stdout, Stderr *os.File
	// Lines, when set, gets stdout (1) and stderr (2) line by line, without the newline;
	// Stdout and Stderr are then ignored. A line longer than 64 KiB comes in pieces, each
	// but the last ending in a backslash. One call at a time; it must not block; line is
	// valid only during the call.
	Lines func(stream int, line []byte)
	sinks []sink // what takes the raw streams, instead of Lines
	// ExtraFiles are passed on from descriptor 3.
	ExtraFiles []*os.File
	// MaxFiles raises the soft limit of open files to the hard one.
	MaxFiles bool
	// NoCore limits the core files of a child that holds secrets to 0, for good.
	NoCore bool
	// Foreground gives the child's group the terminal on Stdin while the child lives,
	// when there is one and it is ours to give.
	Foreground bool
	turns      bool // tell when the child is stopped by a signal, and when it goes on
}

var errClosed = errors.New("the supervisor is closed")

// Start starts a process in a process group of its own, with an empty signal mask, default
// dispositions and the limits that we were started with. It is killed should we die. The
// error is a *StartError.
func (s *Supervisor) Start(spec Spec) (*Child, error) {
	if len(spec.Argv) > 0 && spec.Path == "" {
		spec.Path = spec.Argv[0]
	}
	if spec.Path == "" {
		return nil, &StartError{Name: spec.Name, Err: errors.New("there is no command")}
	}
	c := &Child{name: spec.Name, sup: s, done: make(chan struct{})}
	if spec.turns {
		c.turns = make(chan syscall.Signal, 1)
	}
	if spec.Foreground {
		c.terminal = spec.Stdin
	}
	out, err := c.output(&spec)
	if err != nil {
		return nil, startError(&spec, err)
	}
	if !s.onThread(func() { err = s.fork(&spec, c) }) {
		err = errClosed
	}
	out.started(err == nil)
	if err != nil {
		return nil, startError(&spec, err)
	}
	return c, nil
}

// fork runs on the spawning thread. The lock keeps the reaper from taking a child that
// dies before it is registered.
func (s *Supervisor) fork(spec *Spec, c *Child) error {
	sys := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if u := spec.User; u != nil {
		sys.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups, NoSetGroups: u.current()}
	}
	tty := terminal(c.terminal)
	if tty != nil {
		sys.Foreground, sys.Ctty = true, int(tty.Fd())
	}
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: s.files(spec, c), Sys: sys}

	s.mu.Lock()
	defer s.mu.Unlock()
	back, coresBack := s.lendIgnored(), s.lendCores(spec)
	pid, err := syscall.ForkExec(spec.Path, spec.Argv, attr)
	coresBack()
	back()
	if tty != nil { // also when the exec failed: the group got the terminal before it
		c.tty = tty
		s.giveTerminal()
	}
	if err != nil {
		s.takeTerminal(c)
		return err
	}
	c.pid = pid
	s.own[pid] = c
	s.limits(spec, pid)
	return nil
}

func (s *Supervisor) files(spec *Spec, c *Child) []uintptr {
	std := []*os.File{spec.Stdin, spec.Stdout, spec.Stderr}
	if c.out != nil {
		std[1], std[2] = c.out.write[0], c.out.write[1]
	}
	var fds []uintptr
	for _, f := range append(std, spec.ExtraFiles...) {
		if f == nil {
			fds = append(fds, uintptr(s.null))
		} else {
			fds = append(fds, f.Fd())
		}
	}
	return fds
}

// limits sets those of a child that differ from ours.
func (s *Supervisor) limits(spec *Spec, pid int) {
	if spec.MaxFiles {
		if err := raiseFiles(pid); err != nil {
			s.log.Warn("cannot raise the limit of open files", "name", spec.Name, "pid", pid, "error", err)
		}
	}
	if spec.NoCore {
		if err := noCores(pid); err != nil {
			s.log.Warn("a crash may write its secrets to a core file", "name", spec.Name, "pid", pid, "error", err)
		}
	}
}

func raiseFiles(pid int) error {
	var lim unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &lim); err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	lim.Cur = lim.Max
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &lim, nil); err != nil {
		return fmt.Errorf("set it to %d: %w", lim.Max, err)
	}
	return nil
}
