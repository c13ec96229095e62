package task

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/oklog/run"

	"meshtask/internal/plan"
	"meshtask/internal/relay"
	"meshtask/supervisor"
)

// What each signal means for a run, from the first to the third that asks for the stop.
func TestSignals(t *testing.T) {
	const hup, intr, quit, term, pipe, winch = syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGWINCH
	for name, c := range map[string]struct {
		kind  plan.Kind
		sent  []syscall.Signal
		stop  syscall.Signal // 0: none
		hurry int            // 1 skips the waits, 2 kills
		app   []syscall.Signal
	}{
		"an image's own signal stops":    {plan.Mesh, []syscall.Signal{winch, term}, winch, 1, nil},
		"also a plain init":              {plan.Init, []syscall.Signal{intr, winch, winch}, winch, 0, []syscall.Signal{intr, winch}},
		"a mesh forwards the others":     {plan.Mesh, []syscall.Signal{hup, syscall.SIGUSR1}, 0, 0, []syscall.Signal{hup, syscall.SIGUSR1}},
		"PIPE is for nobody":             {plan.Mesh, []syscall.Signal{pipe}, 0, 0, nil},
		"INT stops a mesh":               {plan.Mesh, []syscall.Signal{intr}, intr, 0, nil},
		"the first one is the reason":    {plan.Mesh, []syscall.Signal{quit, term}, quit, 1, nil},
		"the second one skips the waits": {plan.Job, []syscall.Signal{term, term}, term, 1, nil},
		"the third one kills":            {plan.Sibling, []syscall.Signal{term, intr, term}, term, 2, nil},
		"HUP in a stop is the app's":     {plan.Mesh, []syscall.Signal{term, hup, term}, term, 1, []syscall.Signal{hup}},
		"a plain init forwards INT":      {plan.Init, []syscall.Signal{intr, quit}, 0, 0, []syscall.Signal{intr, quit}},
		"its first TERM stops":           {plan.Init, []syscall.Signal{term}, term, 0, nil},
		"its second TERM is the app's":   {plan.Init, []syscall.Signal{term, term}, term, 0, []syscall.Signal{term}},
		"its third TERM kills":           {plan.Init, []syscall.Signal{term, term, term}, term, 2, []syscall.Signal{term}},
		"its INT is no TERM":             {plan.Init, []syscall.Signal{term, intr, intr}, term, 0, []syscall.Signal{intr}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal)
				tk := &task{d: Deps{Kind: c.kind, Signals: signals, StopOn: []syscall.Signal{winch}}, hurry: make(chan struct{}, 3)}
				tk.ctx, tk.cancel = context.WithCancelCause(t.Context())
				over := make(chan struct{})
				r := tk.signals()
				go r.Run(over)
				for _, s := range c.sent {
					signals <- s
				}
				close(over)
				synctest.Wait()
				var stop syscall.Signal
				if s, ok := errors.AsType[*relay.Stopped](context.Cause(tk.ctx)); ok {
					stop = s.Signal
				}
				if stop != c.stop || len(tk.hurry) != c.hurry || !slices.Equal(tk.app.held, c.app) {
					t.Errorf("stopped by %v, in a hurry %d times, the app gets %v; want %v, %d, %v", stop, len(tk.hurry), tk.app.held, c.stop, c.hurry, c.app)
				}
			})
		})
	}
}

// What comes before there is an app is held for it, each number once; nothing is held twice.
func TestTheForwarderHolds(t *testing.T) {
	var f forwarder
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGHUP} {
		f.forward(s)
	}
	if want := []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1}; !slices.Equal(f.held, want) {
		t.Errorf("held %v, want %v", f.held, want)
	}
	f.to(&supervisor.Process{})
	f.forward(syscall.SIGHUP)
	if f.held != nil {
		t.Errorf("still held: %v", f.held)
	}
}

// A broken admin listener asks for the shutdown; the signals that come in it are still heard.
func TestABrokenListenerLeavesTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, over := errors.New("the listener broke"), make(chan struct{})
		signals := make(chan os.Signal, 1)
		var told []error
		var heard []syscall.Signal
		r := relay.Relay{Signals: signals, Stops: func(syscall.Signal) bool { return false }, Forward: func(s syscall.Signal) { heard = append(heard, s) }}
		var g run.Group
		g.Add(func() error { <-over; return nil }, func(error) {}) // the task, in its shutdown
		relayed := make(chan struct{})
		g.Add(func() error { r.Run(relayed); return nil }, func(error) { close(relayed) })
		g.Add(beside(func() error { return broken }, func() {}, func(err error) { told = append(told, err) }))
		ended := make(chan error, 1)
		go func() { ended <- g.Run() }()
		synctest.Wait()
		if len(told) != 1 || !errors.Is(told[0], broken) {
			t.Errorf("it is told %v", told)
		}
		signals <- syscall.SIGHUP
		synctest.Wait()
		if len(heard) != 1 {
			t.Error("nobody hears signals any more")
		}
		close(over)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
