package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// An app container without the wrapper gets its TERM at once; agent and Envoy
// outlive it by what the task metadata endpoint says. AWS's own containers, and
// one that was never started, are not waited for.
func TestSiblingsWithoutWrapper(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	p := preparePair(t, server, "pair")
	p.endpoint.Set("app", "", nil)
	p.endpoint.Set("~internal~ecs~pause", "", map[string]any{"Type": "CNI_PAUSE"})
	p.endpoint.Set("slow", "", map[string]any{"KnownStatus": "PULLED"})
	app := p.contain(t, "app", "", []string{harness.App(t), "--name", "app", "--listen", p.address + ":8080", "--term", "ignore"}, nil)
	p.mesh(t)
	p.up(t)
	server.Passing(t, soon, "pair", 1)
	p.stop(t, app)
	p.Await(t, soon, "down", "app", "stop", "")
	p.without(t, "down", "envoy", "stop", "")
	p.endpoint.Fail(429) // no news is not the end of the app
	before := p.endpoint.Calls()
	harness.Eventually(t, soon, "a look that failed", func() error {
		if n := p.endpoint.Calls() - before; n < 1 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	p.without(t, "down", "envoy", "stop", "")
	app.Kill()
	ended := time.Now()
	p.endpoint.Set("app", "", map[string]any{"DesiredStatus": "STOPPED", "KnownStatus": "STOPPED", "ExitCode": 137})
	p.endpoint.Fail(0)
	if s := p.ended(t, 0); s.Left != "verified" || len(s.Forced()) > 0 {
		t.Errorf("left %s, killed %v", s.Left, s.Killed)
	}
	ascending(t, []string{"the end of the app", "the stop of Envoy"}, ended, at(t, p.Task, "down", "envoy", "stop", ""))
	server.Empty(t, soon)
}

// Apps that never show up keep nobody: the service stays critical, and a TERM
// ends the mesh container at once. Their wrappers end without having run anything.
func TestSiblingsAppNeverShowsUp(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	p := preparePair(t, server, "pair")
	p.endpoint.Set("app", "", map[string]any{"KnownStatus": "PULLED"})
	p.mesh(t)
	p.Mark(t, soon, "up", "T2")
	status(t, server, "pair", "critical")
	p.without(t, "up", "", "step", "passing")
	p.stop(t)
	if s := p.ended(t, 0); len(s.Forced()) > 0 {
		t.Errorf("killed %v: there was nobody to wait for", s.Killed)
	}
	server.Empty(t, soon)
	early := p.app(t, "early", "/bin/false")
	early.Await(t, soon, "up", "envoy", "start", "")
	if err := early.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := early.Wait(t, soon); code != 143 {
		t.Errorf("TERM before there was a mesh: exit code %d, want 143:\n%s", code, early.Tail(10))
	}
}
