package task

import (
	"fmt"
	"strings"
	"testing"

	"meshtask/health"
	"meshtask/internal/config"
	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/plan"
	"meshtask/internal/state"
	"meshtask/internal/testbed/eventually"
	"meshtask/internal/waits"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

const meshDoc = `"service": {"name": "web", "port": 8080}, "consulAgent": {"retryJoin": ["127.0.0.9"], "ports": {"http": 1}}`

// wired is a task whose units are made, and none of them started.
func wired(t *testing.T, b *bed, p *plan.Plan) (*task, *units) {
	t.Helper()
	tk := &task{watch: newWatch(), d: b.d, plan: p, ctx: t.Context(), cancel: func(err error) { t.Errorf("given up: %v", err) }, oom: newOOMWatch(), book: journal.New(b.d.Begin),
		waits: waits.New(func(string, event.Waiting) {})}
	t.Cleanup(tk.waits.Close)
	tk.tellRows()
	var err error
	if tk.sup, err = supervisor.New(b.d.Children, b.d.Log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tk.sup.Close)
	if tk.tokens, err = tk.secrets(); err != nil {
		t.Fatal(err)
	}
	u, err := tk.wire(programs{app: "/bin/sh", probe: "/bin/sh", consul: "/bin/false", envoy: "/bin/false"})
	if err != nil {
		t.Fatal(err)
	}
	return tk, u
}

// live runs one unit until the test ends; the channel is closed when it is ready.
func live(t *testing.T, r lifecycle.Runner) (ready chan struct{}) {
	t.Helper()
	ready = make(chan struct{})
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- r.Run(t.Context(), func() { close(ready) }, stop) }()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	return ready
}

// The units of a mesh are made before its secrets are resolved: the app, its readiness probe
// and its health check have what the references hold when they run, and not when they are made.
func TestSecretsReachTheAppAndItsProbes(t *testing.T) {
	b := newBed(t)
	b.d.Env = append(b.d.Env, "DB=s3cret")
	const see = `[ \"$PGPASSWORD\" = s3cret ]`
	doc := fmt.Sprintf(`{%s, "app": {"env": {"PGPASSWORD": "env:DB"}, "ready": {"exec": ["/bin/sh", "-c", "%s"]}},
		"health": {"app": {"command": ["CMD-SHELL", "%s"], "interval": 5}}}`, meshDoc, see, see)
	tk, u := wired(t, b, load(t, config.Run, b.d.Local, doc, nil, sh(`[ "$PGPASSWORD" = s3cret ] && >$BED/seen; sleep 1000`)...))
	if err := tk.tokens.Resolve(t.Context(), event.None); err != nil { // as the unit token does
		t.Fatal(err)
	}
	live(t, u.sync)
	ready := live(t, u.runners[lifecycle.App])
	b.file("seen")
	eventually.True(t, "the readiness probe sees the secret", func() bool {
		select {
		case <-ready:
			return true
		default:
			return false
		}
	})
	eventually.True(t, "the health check sees the secret", func() bool {
		app := u.sync.Snapshot().App
		if strings.Contains(app.Output, "UNHEALTHY") {
			t.Fatalf("the health check: %+v", app)
		}
		return app.Status == health.Passing
	})
}

// It is the agent that takes the checks where there is one, those of a gateway too.
func TestWhoTakesTheChecks(t *testing.T) {
	const agent = `"consulAgent": {"retryJoin": ["127.0.0.9"], "ports": {"http": 1}}`
	for name, doc := range map[string]string{
		"service": `{` + meshDoc + `}`,
		"gateway": `{"gateway": {"kind": "mesh-gateway", "name": "mgw"}, ` + agent + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			var command []string
			if name == "service" {
				command = sh("true")
			}
			tk, u := wired(t, b, load(t, config.Run, b.d.Local, doc, nil, command...))
			live(t, u.sync)
			eventually.True(t, "it waits for the agent", func() (waits bool) {
				tk.book.Read(func(s *state.State) {
					if w := s.Unit(string(lifecycle.HealthSync)).Wait; w != nil {
						waits = true
						if w.What != "the agent to take the health checks" || w.Facts[event.FactCase] != "" {
							t.Errorf("%+v", *w)
						}
					}
				})
				return waits
			})
		})
	}
}

// What status says of a unit follows its process, and not only its first ready.
func TestStatusOfADeadUnit(t *testing.T) {
	b := newBed(t)
	tk, u := wired(t, b, load(t, config.Run, b.d.Local, `{`+meshDoc+`}`, nil, sh("true")...))
	src := &source{tk, u}
	tk.report(event.Task)(event.Waiting{What: "its identity"}) // which is no unit
	tk.report(event.Task)(event.WaitOver{})
	for _, u := range src.Status().(Status).Units {
		if u.Unit == event.Task || u.State == "" {
			t.Errorf("%+v is among the units", u)
		}
	}
	for _, unit := range []lifecycle.Unit{lifecycle.ConsulAgent, lifecycle.Envoy, lifecycle.App} {
		report := tk.report(unit)
		for _, e := range []event.Event{event.Start{}, event.Exec{PID: 30}, event.Serving{}, event.Ready{}} {
			report(e)
		}
	}
	if !src.Up() {
		t.Fatal("it is not up")
	}
	agent := func() state.Unit {
		t.Helper()
		for _, u := range src.Status().(Status).Units {
			if u.Unit == string(lifecycle.ConsulAgent) {
				return u
			}
		}
		t.Fatal("no agent in the status")
		return state.Unit{}
	}
	report := tk.report(lifecycle.ConsulAgent)
	for _, step := range []struct {
		name, reason string // why it is not healthy
		say          []event.Event
		state        string
		pid          int
	}{
		{"it lives", "", nil, state.Running, 30},
		{"its process has ended", "the Consul agent is down", []event.Event{event.Exit{PID: 30, Status: 1}}, state.Restarting, 0},
		{"it backs off", "the Consul agent is down: exit 1", []event.Event{event.Restart{Reason: "exit 1"}}, state.Restarting, 0},
		{"it is started again", "the Consul agent is down: exit 1", []event.Event{event.Exec{PID: 31}}, state.Restarting, 31},
		{"it serves again", "", []event.Event{event.Serving{}}, state.Running, 31},
		{"it hangs", "the Consul agent hangs: its API does not answer", []event.Event{event.Hung{Err: "timeout"}}, state.Starting, 31},
		{"it answers", "", []event.Event{event.Answers{}}, state.Running, 31},
	} {
		for _, e := range step.say {
			report(e)
		}
		if a := agent(); a.State != step.state || a.PID != step.pid {
			t.Errorf("%s: %s with pid %d, want %s with %d", step.name, a.State, a.PID, step.state, step.pid)
		}
		var reason string
		tk.book.Read(func(s *state.State) { reason = unhealthy(s) })
		if reason != step.reason {
			t.Errorf("%s: %q, want %q", step.name, reason, step.reason)
		}
		if step.reason != "" {
			if ok, why := src.Health(); ok || why != step.reason {
				t.Errorf("%s: health says %v, %q", step.name, ok, why)
			}
		}
	}
	tk.book.Report(event.Task)(event.Shutdown{Cause: "TERM"})
	if ok, why := src.Health(); ok || why != "the task is stopping" || src.Up() {
		t.Errorf("in the stop: healthy %v (%s), up %v", ok, why, src.Up())
	}
	if got := src.Status().(Status).State; got != "STOPPING" {
		t.Errorf("state %s", got)
	}
}
