// Package harness starts the real parts for tests, the demo and the soak: a
// Consul server, meshtask tasks and plain processes, each on a loopback address
// of its own so that runs beside each other never meet.
//
// It sees meshtask from outside only: the binary, its config, its signals and
// the files that it writes (the contract). It knows nothing of the packages.
package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// T is what the harness needs of its caller; *testing.T and *testing.B have it,
// and so does the demo's stage, which is not a test.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
	TempDir() string
	Context() context.Context
}

var _ T = testing.TB(nil)

// Eventually polls until cond returns nil, every 10 ms: the real parts tell
// nobody when they change. After limit the test fails with what and the last
// error. The limit bounds a failure; a success never waits for it.
func Eventually(t T, limit time.Duration, what string, cond func() error) {
	t.Helper()
	if err := Poll(t.Context(), limit, cond); err != nil {
		t.Fatalf("%s: not within %v: %v", what, limit, err)
	}
}

// Poll is Eventually for callers that go on after a failure.
func Poll(ctx context.Context, limit time.Duration, cond func() error) error {
	deadline := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), err)
		}
	}
}

// Root returns the top of the repository, found upwards from the working
// directory.
func Root(t T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("cannot tell the working directory: %v", err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module meshtask\n") {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("no go.mod of module meshtask above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
