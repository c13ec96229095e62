// Package eventually waits for what a test waits for, with patience. It polls where the
// subject sends no event: a file, another process's state, a server's catalog.
package eventually

import "time"

// Patience is for what takes milliseconds on a quiet machine. Others may share the machine:
// a test asserts what happens, and in which order, never how soon.
const Patience = 2 * time.Minute

const pause = 2 * time.Millisecond

// Test is a *testing.T, a *testing.B or a *testscript.TestScript.
type Test interface {
	Fatalf(format string, args ...any)
}

// True waits until ok holds, and fails the test with what was waited for when it never does.
func True(t Test, what string, ok func() bool) {
	if h, is := t.(interface{ Helper() }); is {
		h.Helper()
	}
	if !Within(Patience, ok) {
		t.Fatalf("not within %v: %s", Patience, what)
	}
}

// Get waits until a channel sends or is closed, and fails the test as True does.
func Get[T any](t Test, what string, c <-chan T) (value T) {
	if h, is := t.(interface{ Helper() }); is {
		h.Helper()
	}
	select {
	case value = <-c:
	case <-time.After(Patience):
		t.Fatalf("not within %v: %s", Patience, what)
	}
	return value
}

// Within waits until ok holds, at most for limit, and says whether it did. The last look is
// at the end.
func Within(limit time.Duration, ok func() bool) bool {
	over := time.NewTimer(limit)
	defer over.Stop()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-over.C:
			return ok()
		}
	}
	return true
}
