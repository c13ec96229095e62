package relay

import (
	"os"
	"syscall"
)

// Real-time signals as the kernel numbers them. 32 to 34 belong to C libraries, and Go lets
// no program catch them: supervisor sees to it that they do not end us (docs/adr/0014).
const (
	rtMin = 35
	rtMax = 64
)

// Every signal that a user may send is relayed. Not among them: CHLD, which is
// the supervisor's, URG and PROF, which the Go runtime sends to itself, the
// fault signals, and TTIN and TTOU, which speak of our own terminal.

// Deadly are the signals to relay that would end or stop us. PIPE is caught so that a closed
// log reader is an error and not our death; it is not forwarded.
func Deadly() []os.Signal {
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGSTKFLT, syscall.SIGPIPE}
}

// Harmless are the signals to relay that the Go runtime drops until someone asks for them. To
// ask costs a switch of threads each, so it is done beside the start.
func Harmless() []os.Signal {
	list := []os.Signal{
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGALRM, syscall.SIGVTALRM,
		syscall.SIGPWR, syscall.SIGIO, syscall.SIGXCPU, syscall.SIGXFSZ,
	}
	for n := rtMin; n <= rtMax; n++ {
		list = append(list, syscall.Signal(n))
	}
	return list
}
