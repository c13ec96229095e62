package main

import (
	"os"
	"sync"

	"meshtask/e2e/harness"
)

// act is a part of the performance: what it has started is ended, by its process
// ID, and what it has written is removed, when the act is over. A long run would
// else keep both until its end, when the IDs may be others'.
type act struct {
	harness.T

	mu       sync.Mutex
	cleanups []func()
}

// within plays f as an act of its own.
func within(t harness.T, f func(t harness.T)) {
	a := &act{T: t}
	defer a.strike()
	f(a)
}

// Cleanup is run when the act is over, the latest first.
func (a *act) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

// TempDir is a folder that is removed when the act is over.
func (a *act) TempDir() string {
	dir, err := os.MkdirTemp("", "growth-")
	if err != nil {
		a.Fatalf("no temporary folder: %v", err)
	}
	a.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (a *act) strike() {
	for {
		a.mu.Lock()
		n := len(a.cleanups)
		if n == 0 {
			a.mu.Unlock()
			return
		}
		f := a.cleanups[n-1]
		a.cleanups = a.cleanups[:n-1]
		a.mu.Unlock()
		f()
	}
}
