package main

import (
	"slices"
	"sync"
	"syscall"

	"meshtask/supervisor"
)

// pending holds the signals that came while the app did not run, each number
// once, as the kernel would.
type pending struct {
	mu   sync.Mutex
	sigs []syscall.Signal
}

func (p *pending) hold(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.sigs, s) {
		p.sigs = append(p.sigs, s)
	}
}

// release gives what is held to the app; what it cannot take stays held.
func (p *pending) release(app *supervisor.Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sigs = slices.DeleteFunc(p.sigs, app.Forward)
}

// forward passes a user's signal on to the app, now or when it runs.
func (t *task) forward(s syscall.Signal) {
	if t.app == nil || t.app.Forward(s) {
		return
	}
	t.held.hold(s)
	t.held.release(t.app) // it may have been exec'ed in between
}
