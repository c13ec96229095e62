// Package relay turns the signals of a process into what they mean for one run.
//
// It installs no handler and knows no process: signals come by a channel.
package relay

import (
	"os"
	"syscall"

	"meshtask/internal/signame"
)

// Relay is one run's meaning of signals. Its funcs must not block: a signal must never wait
// behind another one's effect.
type Relay struct {
	Signals <-chan os.Signal
	Stops   func(syscall.Signal) bool // whether it asks for the shutdown
	Stop    func(syscall.Signal)      // the first one that does
	Again   func(n int, s syscall.Signal)
	Forward func(syscall.Signal) // every other; PIPE is for nobody

	asked int
}

// Run relays until over is closed. It may be called again when it has returned.
func (r *Relay) Run(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case got := <-r.Signals:
			sig, ok := got.(syscall.Signal)
			switch {
			case !ok || sig == syscall.SIGPIPE:
			case !r.Stops(sig):
				r.Forward(sig)
			default:
				if r.asked++; r.asked == 1 {
					r.Stop(sig)
				} else {
					r.Again(r.asked, sig)
				}
			}
		}
	}
}

// Stopped is the cause of a shutdown that a signal asked for.
type Stopped struct{ Signal syscall.Signal }

// Error is the signal's short name, such as TERM.
func (s *Stopped) Error() string { return signame.Short(s.Signal) }
