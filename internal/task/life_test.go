package task

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"meshtask/internal/config"
	"meshtask/internal/ecs"
	"meshtask/internal/event"
	"meshtask/internal/lease"
	"meshtask/internal/plan"
)

// A plain init is as good as the app's code, and has the marks of a life without a mesh.
func TestAPlainInit(t *testing.T) {
	b := newBed(t)
	b.begin(load(t, config.NoMesh, b.d.Local, `{}`, nil, sh("exit 7")...))
	out := b.end()
	s := b.check(out, 7, event.AppFailed)
	if !out.Started || out.Err != nil {
		t.Errorf("started %v, error %v; an app's own end is no error", out.Started, out.Err)
	}
	if got, want := marks(s), `["down T0","down T3","up T0","up T2"]`; got != want {
		t.Errorf("marks %s, want %s", got, want)
	}
	if s.App != "exit 7" || len(s.Killed) > 0 || s.Restarts["app"] != 0 || !strings.HasPrefix(s.Reason, "app: ") {
		t.Errorf("summary %s", s.Line())
	}
	b.ordered("app start", "task up T0", "app exec", "task up T2", "app exit", "app ended", "task shutdown", "task down T0", "task down T3", "task exit")
}

// An app that does not go is killed when the budget is spent, which the record says.
func TestAnAppIsKilledAtItsBudget(t *testing.T) {
	b := newBed(t)
	b.begin(load(t, config.NoMesh, b.d.Local, `{"shutdown": {"stopTimeout": "1s"}}`, nil, sh("trap : TERM; >$BED/up; while :; do sleep 0.01; done")...))
	b.up()
	b.send(syscall.SIGTERM)
	s := b.check(b.end(), 137, event.AppKilledAtBudget)
	if len(s.Killed) != 1 || s.Killed[0] != "app" || s.Reason != "TERM" {
		t.Errorf("summary %s", s.Line())
	}
	if s.App != "" && s.App != "exit 137 (SIGKILL)" { // "": a busy machine had not let it die by then
		t.Errorf("the app's end is %q", s.App)
	}
	b.ordered("task shutdown", "app stop", "app killed", "app ended", "task exit")
}

// A policy starts the app again; outside it is one life, which ends with the last code.
func TestAnAppIsStartedAgain(t *testing.T) {
	const doc = `{"app": {"restart": {"policy": "on-failure", "max": 3, "window": "1h", "backoff": "1ms"}}}`
	b := newBed(t)
	b.begin(load(t, config.NoMesh, b.d.Local, doc, nil, sh(`echo x >>$BED/lives; [ $(wc -l <$BED/lives) -eq 3 ] || exit 4`)...))
	s := b.check(b.end(), 0, event.Restarted)
	if s.Restarts["app"] != 2 || s.App != "exit 0" {
		t.Errorf("summary %s", s.Line())
	}
	b.ordered("app exec", "task up T2", "app exit", "app restart", "app exec", "app exit", "app restart", "app exec", "app exit", "app ended", "task shutdown")
}

func TestAnAppThatFailsTooOften(t *testing.T) {
	const doc = `{"app": {"restart": {"policy": "always", "max": 2, "window": "1h", "backoff": "1ms"}}}`
	b := newBed(t)
	b.begin(load(t, config.NoMesh, b.d.Local, doc, nil, sh("exit 4")...))
	s := b.check(b.end(), 206, event.AppRestartsSpent)
	if s.Restarts["app"] != 2 || s.App != "exit 4" {
		t.Errorf("summary %s", s.Line())
	}
}

// A second TERM skips the wait for the mesh, which never says that inbound is drained; the
// app still has its signal and its answer.
func TestASecondTERMSkipsTheWaits(t *testing.T) {
	b := newBed(t)
	keeper := lease.NewKeeper(lease.KeeperConfig{})
	mesh := httptest.NewServer(keeper)
	t.Cleanup(mesh.Close)
	go func() { _ = keeper.Run(t.Context(), func() {}, nil) }()
	p := load(t, config.Sibling, b.d.Local, `{"shutdown": {"stopTimeout": "20m"}}`, nil, sh("trap 'exit 9' TERM; >$BED/up; while :; do sleep 0.01; done")...)
	p.Lease = &plan.Lease{Address: strings.TrimPrefix(mesh.URL, "http://")}
	b.begin(p)
	b.up()
	b.send(syscall.SIGTERM)
	b.told("inbound", "stop")
	b.send(syscall.SIGTERM)
	s := b.check(b.end(), 9, event.AppAnswered)
	if len(s.Killed) > 0 || s.Marks[event.Down]["T4"] != 0 {
		t.Errorf("summary %s", s.Line())
	}
	b.ordered("task up T2", "task shutdown", "inbound stop", "inbound moot", "inbound ended", "app stop", "app exit", "app ended", "envoy ended", "task exit")
}

// The mesh says when inbound is drained: nothing is waited for any more, and the app's code
// travels back.
func TestTheMeshStopsItsSiblings(t *testing.T) {
	b := newBed(t)
	keeper := lease.NewKeeper(lease.KeeperConfig{})
	mesh := httptest.NewServer(keeper)
	t.Cleanup(mesh.Close)
	stop, gone := make(chan struct{}), make(chan error, 1)
	go func() { gone <- keeper.Run(t.Context(), func() {}, stop) }()
	p := load(t, config.Sibling, b.d.Local, `{"shutdown": {"stopTimeout": "20m"}}`, nil, sh("trap 'exit 9' TERM; >$BED/up; while :; do sleep 0.01; done")...)
	p.Lease = &plan.Lease{Address: strings.TrimPrefix(mesh.URL, "http://")}
	b.begin(p)
	b.up()
	close(stop)
	s := b.check(b.end(), 9, event.AppAnswered)
	if len(s.Killed) > 0 || s.Marks[event.Down]["T4"] != 0 || s.Reason != "TERM" {
		t.Errorf("summary %s", s.Line())
	}
	b.ordered("task shutdown", "inbound stop", "inbound ended", "app stop", "app exit", "envoy ended")
	if err := <-gone; err != nil {
		t.Errorf("the mesh: %v", err)
	}
}

// A third TERM kills what the first two did not end.
func TestAThirdTERMKills(t *testing.T) {
	b := newBed(t)
	b.begin(load(t, config.NoMesh, b.d.Local, `{"shutdown": {"stopTimeout": "20m"}}`, nil, sh("trap '>>$BED/term' TERM; >$BED/up; while :; do sleep 0.01; done")...))
	b.up()
	b.send(syscall.SIGTERM)
	b.file("term")
	b.send(syscall.SIGTERM)
	b.send(syscall.SIGTERM)
	s := b.check(b.end(), 137, event.AppKilledAtBudget)
	if len(s.Killed) != 1 || s.Marks[event.Down]["T4"] != 0 {
		t.Errorf("summary %s", s.Line())
	}
}

// The limit ends a run in good order, and its code wins over the app's.
func TestTheRunTimeLimit(t *testing.T) {
	b := newBed(t)
	b.begin(load(t, config.NoMesh, b.d.Local, `{}`, map[string]string{"max-run-time": "10ms"}, sh("trap 'exit 0' TERM; while :; do sleep 0.01; done")...))
	out := b.end()
	b.check(out, 209, event.RunTimeLimit)
	if event.CauseOf(out.Err) == nil || !out.Started {
		t.Errorf("error %v", out.Err)
	}
	b.ordered("app start", "task shutdown", "app stop", "app ended", "task exit") // it may be over before the app's exec
}

// A secret of app.env is there when the app starts, also without a mesh.
func TestASecretWithoutAMesh(t *testing.T) {
	b := newBed(t)
	b.d.Env = append(b.d.Env, "DB=s3cret")
	b.begin(load(t, config.NoMesh, b.d.Local, `{"app": {"env": {"PGPASSWORD": "env:DB"}}}`, nil, sh(`test "$PGPASSWORD" = s3cret`)...))
	b.check(b.end(), 0, event.OK)
}

// What ends a task before anything has started has its code and its record all the same.
func TestNothingIsStarted(t *testing.T) {
	unstarted := func(t *testing.T, b *bed, out Outcome) {
		t.Helper()
		if out.Started {
			t.Error("it says that something was started")
		}
		for _, e := range b.record() {
			if !strings.HasPrefix(e, "task ") {
				t.Errorf("%q is in the record", e)
			}
		}
	}
	t.Run("no plan", func(t *testing.T) {
		b := newBed(t)
		c, _, err := config.Load(config.Sources{Mode: config.NoMesh, Command: sh("true"), Flags: map[string]string{"stop-timeout": "1s"}})
		if err != nil {
			t.Fatal(err)
		}
		b.d.Kind = plan.Init
		b.run(t.Context(), func(id ecs.Identity) (*plan.Plan, error) {
			c.App.StopTimeout = config.Duration{Duration: 1 << 40, Given: true} // does not fit
			return plan.New(c, id)
		})
		out := b.end()
		s := b.check(out, 200, event.ConfigBudget)
		if out.Err == nil || s.Reason != out.Err.Error() {
			t.Errorf("reason %q, error %v", s.Reason, out.Err)
		}
		unstarted(t, b, out)
	})
	t.Run("no command", func(t *testing.T) {
		b := newBed(t)
		b.begin(load(t, config.NoMesh, b.d.Local, `{}`, nil, "no-such-command"))
		out := b.end()
		b.check(out, 127, event.CommandNotFound)
		unstarted(t, b, out)
	})
	t.Run("a secret that is not there", func(t *testing.T) {
		b := newBed(t)
		b.begin(load(t, config.NoMesh, b.d.Local, `{"app": {"env": {"X": "env:NOT_THERE"}}}`, nil, "true"))
		out := b.end()
		if out.Code != 201 || b.has("up") {
			t.Errorf("exit %d, %v", out.Code, out.Err)
		}
	})
	t.Run("TERM while it asks who it is", func(t *testing.T) {
		b := newBed(t)
		asked := make(chan struct{}, 100)
		endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-r.Context().Done()
		}))
		t.Cleanup(endpoint.Close)
		b.d.Kind, b.d.Metadata = plan.Mesh, endpoint.URL
		b.run(t.Context(), func(ecs.Identity) (*plan.Plan, error) { return nil, nil })
		<-asked
		b.send(syscall.SIGTERM)
		out := b.end()
		b.check(out, 143, event.StoppedBeforeUp)
		if b.planned || out.Err != nil {
			t.Errorf("planned %v, error %v", b.planned, out.Err)
		}
		unstarted(t, b, out)
	})
}
