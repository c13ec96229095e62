package main

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/oklog/run"
)

// A broken admin listener asks for the shutdown; the signals that come in it are still heard.
func TestABrokenListenerLeavesTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, over := errors.New("the listener broke"), make(chan struct{})
		signals := make(chan os.Signal, 1)
		var told []error
		var heard []syscall.Signal
		r := relay{signals: signals, stops: func(syscall.Signal) bool { return false }, forward: func(s syscall.Signal) { heard = append(heard, s) }}
		var g run.Group
		g.Add(func() error { <-over; return nil }, func(error) {}) // the task, in its shutdown
		relayed := make(chan struct{})
		g.Add(func() error { r.run(relayed); return nil }, func(error) { close(relayed) })
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
