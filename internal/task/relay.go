package task

import (
	"slices"
	"sync"
	"syscall"

	"meshtask/internal/plan"
	"meshtask/internal/relay"
	"meshtask/supervisor"
)

// signals is what each signal means for this run. As a plain init INT and QUIT are the app's,
// as with tini, and so is the second TERM; else the second one skips the waits, and the third
// kills.
func (t *task) signals() *relay.Relay {
	plain := t.d.Kind == plan.Init
	return &relay.Relay{
		Signals: t.d.Signals, Forward: t.app.forward,
		Stops: func(s syscall.Signal) bool {
			return s == syscall.SIGTERM || !plain && (s == syscall.SIGINT || s == syscall.SIGQUIT) || slices.Contains(t.d.StopOn, s)
		},
		Stop: func(s syscall.Signal) { t.cancel(&relay.Stopped{Signal: s}) },
		Again: func(n int, s syscall.Signal) {
			if plain && n == 2 {
				t.app.forward(s)
				return
			}
			if plain {
				t.hurryUp()
			}
			t.hurryUp()
		},
	}
}

// hurryUp tells the conductor once; more than it can use are dropped.
func (t *task) hurryUp() {
	select {
	case t.hurry <- struct{}{}:
	default:
	}
}

// forwarder passes the user's signals on to the app. What comes before there is one is held
// for it, each number once, as the kernel would.
type forwarder struct {
	mu   sync.Mutex
	app  *supervisor.Process
	held []syscall.Signal
}

// to names the app.
func (f *forwarder) to(app *supervisor.Process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.app = app
	for _, s := range f.held {
		app.Forward(s)
	}
	f.held = nil
}

func (f *forwarder) forward(s syscall.Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.app != nil:
		f.app.Forward(s) // it does not block
	case !slices.Contains(f.held, s):
		f.held = append(f.held, s)
	}
}
