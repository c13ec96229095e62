package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// ECS starts the containers in whatever order and TERMs them at once; the order
// holds across them all the same, and so does a call that is under way.
func TestSiblingsAppFirst(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	server.HTTPServices(t)
	p := preparePair(t, server, "pair")
	web := startTask(t, server, "web", "web", func(c map[string]any) {
		c["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "pair", "localBindPort": 9191}}}
	})
	app := p.app(t, "app", p.serving(t, "9")...)
	worker := p.app(t, "worker", p.serving(t, "4", "--listen", "")...)
	p.mesh(t)
	p.up(t)
	p.leased(t, "app")
	p.leased(t, "worker")
	server.Passing(t, soon, "pair", 1)
	answers(t, "http://"+web.address+":9191/", 200, "hello from app")
	called := make(chan string, 1)
	go func() {
		_, body, err := fetch(t.Context(), "http://"+web.address+":9191/slow?ms=800")
		if err != nil {
			body = err.Error()
		}
		called <- body
	}()
	p.inFlight(t, 1)
	p.stop(t, app, worker)
	if got := <-called; got != "slow hello from app" {
		t.Errorf("the call under way got %q", got)
	}
	p.wholeStop(t, app, 9)
	p.wholeStop(t, worker, 4)
	web.term(t)
	web.ended(t, 0)
	server.Empty(t, soon)
}

// The other order: the mesh is up before anybody asks, and critical until then.
func TestSiblingsMeshFirst(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	p := preparePair(t, server, "pair")
	p.mesh(t)
	p.Mark(t, soon, "up", "T2")
	status(t, server, "pair", "critical")
	app := p.app(t, "app", p.serving(t, "0")...)
	p.leased(t, "app")
	server.Passing(t, soon, "pair", 1)
	p.stop(t, app)
	p.wholeStop(t, app, 0)
	server.Empty(t, soon)
}

// wholeStop checks the end of one app container and of the mesh container, and
// the order of both lives.
func (p *pair) wholeStop(t *testing.T, app *harness.Task, code int) {
	t.Helper()
	if got := app.Wait(t, soon); got != code {
		t.Errorf("%s: exit code %d, want %d:\n%s", app.Name, got, code, app.Tail(20))
	}
	if s := p.ended(t, 0); s.Left != "verified" || s.Deregistered != "verified" || len(s.Forced()) > 0 {
		t.Errorf("left %s, deregistered %s, killed %v", s.Left, s.Deregistered, s.Killed)
	}
	if got := p.code(t, app.Name); got != code {
		t.Errorf("%s: the code that travelled is %d, want %d", app.Name, got, code)
	}
	ascending(t, []string{"T2 of the mesh", "exec of " + app.Name, "the end of the drain", "TERM of " + app.Name, "the end of " + app.Name, "the stop of Envoy", "the leave"},
		at(t, p.Task, "up", "task", "mark", "T2"), at(t, app, "", "app", "step", "exec"),
		at(t, p.Task, "down", "", "step", "drained"), at(t, app, "down", "app", "stop", ""), at(t, app, "down", "app", "ended", ""),
		at(t, p.Task, "down", "envoy", "stop", ""), at(t, p.Task, "down", "consul-agent", "stop", ""))
}

// A mesh container that dies takes agent and Envoy with it and nothing else: the
// app lives on and leases again from the next one, in the same files.
func TestSiblingsMeshDies(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	p := preparePair(t, server, "pair")
	p.mesh(t)
	app := p.app(t, "app", p.serving(t, "9")...)
	p.up(t)
	server.Passing(t, soon, "pair", 1)
	node := p.nodeID(t)
	p.Kill()
	harness.Eventually(t, soon, "no process of the mesh container", func() error {
		if left := harness.Processes(p.Dir); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
	p.mesh(t)
	p.up(t)
	p.leased(t, "app")
	server.Passing(t, soon, "pair", 1)
	if again := p.nodeID(t); again != node {
		t.Errorf("the node's ID was %s and is %s", node, again)
	}
	if lives := (member{Task: app}).pids(t, "app"); len(lives) != 1 {
		t.Errorf("the app was started %d times", len(lives))
	}
	p.Kill()
	if err := app.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := app.Wait(t, soon); code != 9 {
		t.Errorf("exit code %d, want 9:\n%s", code, app.Tail(20))
	}
}

// An app container that is killed, or ends by itself, turns the check critical
// and ends nothing; when it is started again the check follows the app, not the
// wrapper.
func TestSiblingsAppDies(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	p := preparePair(t, server, "pair")
	p.mesh(t)
	app := p.app(t, "app", p.serving(t, "0")...)
	p.up(t)
	server.Passing(t, soon, "pair", 1)
	app.Kill()
	status(t, server, "pair", "critical")
	app = p.app(t, "app", p.serving(t, "0", "--slow-start", "1500ms")...)
	app.Await(t, soon, "up", "app", "step", "exec")
	if err := p.said("lease", "app"); err != nil {
		t.Error(err)
	}
	server.Passing(t, soon, "pair", 1)
	if early := at(t, app, "up", "app", "step", "exec"); time.Since(early) < 1400*time.Millisecond {
		t.Errorf("passing %v after the exec of an app that listens after 1.5 s", time.Since(early))
	}
	app.Kill()
	status(t, server, "pair", "critical")
	app = p.app(t, "app", harness.App(t), "--name", "app", "--listen", p.address+":8080", "--life", "2s", "--code", "5")
	server.Passing(t, soon, "pair", 1)
	if code := app.Wait(t, soon); code != 5 {
		t.Errorf("exit code %d, want 5:\n%s", code, app.Tail(20))
	}
	status(t, server, "pair", "critical")
	if code := p.code(t, "app"); code != 5 {
		t.Errorf("the code that travelled is %d", code)
	}
	p.stop(t)
	p.ended(t, 0)
	server.Empty(t, soon)
}
