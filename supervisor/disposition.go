package supervisor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	sigDefault = 0
	sigIgnore  = 1
)

// resetIgnored gives the signals that we were started with as ignored their default again.
// Go does so at exec for every signal that it handles; these it leaves alone (HUP and INT
// only until someone asks to be notified of them), so that children would ignore them too.
func resetIgnored() {
	for _, sig := range []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, 32, 33,
	} {
		if disposition(sig, nil) == sigIgnore {
			setDisposition(sig, sigDefault)
		}
	}
}

// ignoreUncatchable keeps the two signals that a Go program cannot catch, which C libraries
// use (34 is glibc's SIGRTMIN), from ending us where we are not PID 1.
func ignoreUncatchable() {
	for _, sig := range uncatchable {
		setDisposition(sig, sigIgnore)
	}
}

var uncatchable = [...]syscall.Signal{32, 34}

// lendIgnored makes default, for the moment of a fork, what we ignore for our own sake:
// children inherit it.
func (s *Supervisor) lendIgnored() (back func()) {
	for _, sig := range uncatchable {
		setDisposition(sig, sigDefault)
	}
	tty := s.lendTTOU()
	return func() { tty(); ignoreUncatchable() }
}

// sigaction is the kernel's struct on the 64-bit platforms that we build for.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

func setDisposition(sig syscall.Signal, handler uintptr) {
	disposition(sig, &sigaction{handler: handler})
}

// disposition sets to, when it is given, and returns the handler that was there. It is not
// for signals that Go handles.
func disposition(sig syscall.Signal, to *sigaction) uintptr {
	var was sigaction
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(&was)), unsafe.Sizeof(was.mask), 0, 0)
	return was.handler
}
