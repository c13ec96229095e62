package supervisor

import (
	"fmt"
	"syscall"

	"meshtask/internal/signame"
)

// Exit is how a process ended.
type Exit struct {
	Name   string
	PID    int
	Code   int            // 0 when a signal ended it
	Signal syscall.Signal // 0 when it exited by itself
	// MaxRSS is the peak resident size in bytes, as the kernel accounts it: never less
	// than our own at the fork, and the largest of the process and its waited-for children;
	// 0 when it is not known.
	MaxRSS int64
}

func (e *Exit) Error() string { return fmt.Sprintf("%s (pid %d) %s", e.Name, e.PID, e.How()) }

// How is the end in words, without whose it was.
func (e *Exit) How() string {
	if e.Signal != 0 {
		return "was ended by " + signame.Of(e.Signal)
	}
	return fmt.Sprintf("exited with %d", e.Code)
}

// Status is the shell's: the exit code, or 128 + the signal.
func (e *Exit) Status() int {
	if e.Signal != 0 {
		return 128 + int(e.Signal)
	}
	return e.Code
}

func exitOf(name string, pid int, ws syscall.WaitStatus, ru *syscall.Rusage) Exit {
	e := Exit{Name: name, PID: pid}
	if ru != nil {
		e.MaxRSS = ru.Maxrss * 1024
	}
	if ws.Signaled() {
		e.Signal = ws.Signal()
	} else {
		e.Code = ws.ExitStatus()
	}
	return e
}
