package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// life is one Syncer on a fake agent, in a bubble.
type life struct {
	t     *testing.T
	agent *fakeAgent
	s     *Syncer
	stop  chan struct{}
	ready chan struct{}
	kill  context.CancelCauseFunc
	done  chan error

	mu       sync.Mutex
	steps    []string
	waits    []string
	removals int
	removed  []bool
	asserted int
}

// begin starts a life; change may alter its Config.
func begin(t *testing.T, change func(*life, *Config)) *life {
	l := &life{t: t, agent: newFakeAgent(testCheck), stop: make(chan struct{}), ready: make(chan struct{}), done: make(chan error, 1)}
	cfg := Config{
		Agent: l.agent, Service: testService, Proxy: testProxy, Alias: testAlias,
		Checks: []Check{{ID: testCheck, Container: "app"}},
		Note: func(event, detail string, _ ...any) {
			l.add(func() { l.steps = append(l.steps, event+" "+detail) })
		},
		Waiting: func(what, _, _ string) { l.add(func() { l.waits = append(l.waits, what) }) },
		Removed: func(ok bool) { l.add(func() { l.removed = append(l.removed, ok) }) },
		Reassert: func(ctx context.Context) error {
			l.add(func() { l.asserted++ })
			return l.agent.register(ctx)
		},
	}
	if change != nil {
		change(l, &cfg)
	}
	l.s = New(cfg)
	t.Cleanup(func() { time.Sleep(24 * time.Hour) }) // the fake's requests end by themselves
	ctx, kill := context.WithCancelCause(t.Context())
	l.kill = kill
	go func() { l.done <- l.s.Run(ctx, func() { close(l.ready) }, l.stop) }()
	return l
}

func (l *life) add(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *life) RemoveFromCatalog(context.Context) error {
	time.Sleep(3 * time.Millisecond)
	l.add(func() { l.removals++ })
	return nil
}

// up brings the app and Envoy up and waits until the servers say so.
func (l *life) up() {
	l.t.Helper()
	<-l.ready
	l.s.EnvoyUp()
	l.s.AppUp()
	l.within(20*time.Millisecond, "the sidecar passes at the servers", func() bool { return l.agent.at(testAlias) == "passing" })
	l.within(10*time.Millisecond, "and it is told", func() bool { return l.count("step passing") > 0 })
}

// within waits until cond holds, looking every fake half millisecond.
func (l *life) within(limit time.Duration, what string, cond func() bool) {
	l.t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(500 * time.Microsecond) {
		if time.Now().After(end) {
			l.t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// down stops and returns what Run returned and how long it took.
func (l *life) down() (error, time.Duration) {
	began := time.Now()
	close(l.stop)
	err := <-l.done
	return err, time.Since(began)
}

func (l *life) count(step string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.steps {
		if s == step {
			n++
		}
	}
	return n
}

func (l *life) assertions() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asserted
}

func (l *life) wantSteps(want ...string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.steps, want) {
		l.t.Errorf("steps %q, want %q", l.steps, want)
	}
}

func TestCriticalUntilAppAndEnvoyAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		<-l.ready
		if got := l.agent.log(); len(got) != 2 || got[0].status != "critical" {
			t.Errorf("ready after writes %v, want critical and its second write", got)
		}
		l.s.AppUp()
		time.Sleep(time.Second)
		if got := l.agent.at(testCheck); got != "critical" {
			t.Errorf("without Envoy: %s", got)
		}
		l.up()
		l.wantSteps("step passing")
		if err, took := l.down(); err != nil || took > 50*time.Millisecond {
			t.Errorf("stop: %v after %v", err, took)
		}
		l.wantSteps("step passing", "step critical")
	})
}

// TestCauseToCritical: whatever ends takes the sidecar with it within 50 ms, and its return
// brings it back.
func TestCauseToCritical(t *testing.T) {
	for name, tc := range map[string]struct{ down, up func(*Syncer) }{
		"Envoy": {(*Syncer).EnvoyDown, (*Syncer).EnvoyUp},
		"app":   {(*Syncer).AppDown, (*Syncer).AppUp},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := begin(t, nil)
				l.up()
				for range 3 {
					time.Sleep(time.Second)
					tc.down(l.s)
					l.within(50*time.Millisecond, "critical at the servers", func() bool {
						return l.agent.at(testAlias) == "critical" && l.agent.at(testCheck) == "critical"
					})
					time.Sleep(time.Second)
					tc.up(l.s)
					l.within(20*time.Millisecond, "passing again", func() bool { return l.agent.at(testAlias) == "passing" })
				}
				l.down()
				if l.steps[1] != "step critical" || l.steps[2] != "step passing" {
					t.Errorf("steps %q", l.steps)
				}
			})
		})
	}
}

// TestCauseWhileTurningPassing: a cause that comes while the alias check is awaited is not
// kept waiting by it.
func TestCauseWhileTurningPassing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		<-l.ready
		l.agent.set(func() { l.agent.alias = 80 * time.Millisecond })
		l.s.EnvoyUp()
		l.s.AppUp()
		time.Sleep(10 * time.Millisecond)
		l.s.EnvoyDown()
		l.within(10*time.Millisecond, "critical", func() bool { return l.agent.at(testCheck) == "critical" })
		time.Sleep(time.Second)
		if got := l.agent.at(testAlias); got != "critical" {
			t.Errorf("alias at the servers: %s", got)
		}
		l.wantSteps()
		l.down()
	})
}

func TestHeartbeatIsConstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		l.up()
		time.Sleep(time.Second)
		before := len(l.agent.log())
		time.Sleep(10 * time.Minute)
		beats := l.agent.log()[before:]
		if len(beats) != 60 {
			t.Errorf("%d heartbeats in 10 min, want 60 (TTL 30 s)", len(beats))
		}
		for i, b := range beats {
			if b.status != "passing" || b.output != reasonRunning {
				t.Errorf("heartbeat %d says %s %q", i, b.status, b.output)
			}
		}
		l.down()
	})
}

func TestAgentRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		tell  bool
		limit time.Duration
	}{
		"told":                     {true, 50 * time.Millisecond},
		"noticed at the heartbeat": {false, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := begin(t, nil)
				l.s.AgentUp()
				l.up()
				base := l.assertions()
				if base > 1 {
					t.Errorf("asserted %d times", base)
				}
				l.agent.restart()
				if tc.tell {
					l.s.AgentUp()
				}
				l.within(tc.limit, "passing again after the restart", func() bool {
					return l.assertions() > base && l.agent.at(testCheck) == "passing" && l.agent.at(testAlias) == "passing"
				})
				if n := l.assertions() - base; n != 1 {
					t.Errorf("registered %d times, want once", n)
				}
				l.down()
			})
		})
	}
}

// TestSidecarAloneIsLost: Consul deregisters a sidecar whose listener was critical for long.
func TestSidecarAloneIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		l.up()
		l.agent.set(func() { delete(l.agent.local, testAlias) })
		l.within(11*time.Second, "registered again", func() bool { return l.agent.at(testAlias) == "passing" })
		l.down()
	})
}

func TestAgentUpBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asserted := 0
		f := newFakeAgent(testCheck)
		s := New(Config{Agent: f, Service: testService, Proxy: testProxy, Alias: testAlias, Checks: []Check{{ID: testCheck}},
			Reassert: func(context.Context) error { asserted++; return nil }})
		s.AgentUp()
		stop, done := make(chan struct{}), make(chan error)
		go func() { done <- s.Run(t.Context(), func() { close(stop) }, stop) }()
		if err := <-done; err != nil || asserted != 0 {
			t.Errorf("%v, registered again %d times", err, asserted)
		}
	})
}

func TestFailingWritesAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		l := begin(t, func(l *life, _ *Config) { l.agent.fail = refused })
		time.Sleep(time.Minute)
		select {
		case <-l.ready:
			t.Fatal("ready though nothing could be written")
		default:
		}
		if view := l.s.Snapshot(); view.Trouble == "" || view.Sidecar.Status != Critical {
			t.Errorf("snapshot %+v", view)
		}
		l.agent.set(func() { l.agent.fail = nil })
		l.up()
		if l.waits[0] == "" || l.waits[len(l.waits)-1] != "" {
			t.Errorf("waits %q: must begin with a reason and end with none", l.waits)
		}
		if n := len(l.waits); n > 45 {
			t.Errorf("%d tries in a minute: no back-off", n)
		}
		if view := l.s.Snapshot(); view.Trouble != "" || view.Sidecar.Status != Passing || view.App.Status != Passing {
			t.Errorf("snapshot %+v", view)
		}
		l.down()
	})
}

// TestHeldCritical: an operator's maintenance mode is not fought, and is noticed when it ends.
func TestHeldCritical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, _ *Config) { l.agent.stuck = true })
		<-l.ready
		l.s.EnvoyUp()
		l.s.AppUp()
		time.Sleep(5 * time.Second)
		if n := len(l.agent.log()); n > 10 {
			t.Errorf("%d writes in 5 s against a sidecar that is held", n)
		}
		l.wantSteps()
		l.agent.set(func() { l.agent.stuck = false; l.agent.follow() })
		l.within(11*time.Second, "passing", func() bool { return l.agent.at(testAlias) == "passing" })
		l.within(10*time.Millisecond, "told", func() bool { return l.count("step passing") == 1 })
		l.down()
	})
}

func TestCatalogRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) { cfg.Catalog = l })
		l.up()
		if err, took := l.down(); err != nil || took > 50*time.Millisecond {
			t.Errorf("stop: %v after %v", err, took)
		}
		l.wantSteps("step passing", "step critical", "step removed")
		if l.removals != 1 || !slices.Equal(l.removed, []bool{true}) {
			t.Errorf("%d removals, told %v", l.removals, l.removed)
		}
	})
}

type refusal struct{ tries int }

func (r *refusal) RemoveFromCatalog(context.Context) error {
	r.tries++
	return fmt.Errorf("permission denied")
}

func TestCatalogRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &refusal{}
		l := begin(t, func(_ *life, cfg *Config) { cfg.Catalog = r })
		l.up()
		if err, took := l.down(); err != nil || took > 100*time.Millisecond {
			t.Errorf("stop: %v after %v, want nil at once: the wait is longer instead", err, took)
		}
		l.wantSteps("step passing", "step critical")
		if r.tries != removeTries || !slices.Equal(l.removed, []bool{false}) {
			t.Errorf("%d tries, told %v", r.tries, l.removed)
		}
	})
}

func TestStopWithoutAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) { cfg.Grace = func() time.Duration { return time.Second } })
		l.up()
		l.agent.set(func() { l.agent.fail = errors.New("connection refused") })
		err, took := l.down()
		if err == nil || took > time.Second+50*time.Millisecond {
			t.Errorf("%v after %v, want an error within the grace of 1 s", err, took)
		}
		l.wantSteps("step passing")
	})
}

func TestStopWhileTheAgentRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		l.up()
		l.agent.set(func() { l.agent.fail = errors.New("connection refused") })
		close(l.stop)
		time.Sleep(500 * time.Millisecond)
		l.agent.set(func() { l.agent.fail = nil })
		if err := <-l.done; err != nil {
			t.Error(err)
		}
		if got := l.agent.at(testAlias); got != "critical" {
			t.Errorf("alias at the servers: %s", got)
		}
	})
}

// TestStopWhenTheAgentForgot: a check that the agent does not know cannot pass.
func TestStopWhenTheAgentForgot(t *testing.T) {
	for _, native := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := begin(t, func(l *life, cfg *Config) {
				if native {
					cfg.Checks, l.agent.service = nil, nil
				}
				cfg.Reassert = nil
			})
			l.up()
			l.agent.restart()
			if err, took := l.down(); err != nil || took > 50*time.Millisecond {
				t.Errorf("native %v: %v after %v", native, err, took)
			}
		})
	}
}

func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) { cfg.Siblings = idle{} })
		l.up()
		l.agent.set(func() { l.agent.lag = time.Hour })
		l.s.AppDown()
		time.Sleep(time.Millisecond)
		cause, began := errors.New("time is up"), time.Now()
		l.kill(cause)
		if err := <-l.done; !errors.Is(err, cause) || time.Since(began) > 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

type idle struct{}

func (idle) Run(ctx context.Context, _ func(string, State)) { <-ctx.Done() }

func TestJobIsCriticalForLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(_ *life, cfg *Config) { cfg.Never = true })
		<-l.ready
		l.s.EnvoyUp()
		l.s.AppUp()
		time.Sleep(time.Hour)
		for _, a := range l.agent.log() {
			if a.status != "critical" {
				t.Fatalf("a job's check was %s at %v", a.status, a.at)
			}
		}
		if view := l.s.Snapshot(); view.App.Status != Passing || view.Sidecar.Status != Critical {
			t.Errorf("snapshot %+v", view)
		}
		l.down()
		l.wantSteps("step critical")
	})
}

func TestNativeChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, func(l *life, cfg *Config) {
			cfg.Checks = nil
			l.agent.service = []string{"native"}
			l.agent.local["native"] = "critical" // as Consul starts them
		})
		both := func() bool {
			return l.agent.at(maintenanceID(testService)) == "critical" && l.agent.at(maintenanceID(testProxy)) == "critical"
		}
		none := func() bool {
			return l.agent.at(maintenanceID(testService)) == "" && l.agent.at(maintenanceID(testProxy)) == ""
		}
		<-l.ready
		if !both() {
			t.Error("ready without maintenance mode")
		}
		l.s.EnvoyUp()
		l.s.AppUp()
		l.within(20*time.Millisecond, "no maintenance mode", none)
		l.within(200*time.Millisecond, "told", func() bool { return l.count("step passing") == 1 })
		l.s.EnvoyDown()
		l.within(50*time.Millisecond, "maintenance mode again", func() bool { return both() && l.count("step critical") == 1 })
		l.agent.set(func() { l.agent.local["native"] = "passing"; l.agent.follow() })
		l.s.EnvoyUp()
		l.within(20*time.Millisecond, "passing", func() bool { return none() && l.agent.at(testAlias) == "passing" && l.count("step passing") == 2 })
		if err, took := l.down(); err != nil || took > 50*time.Millisecond || !both() {
			t.Errorf("stop: %v after %v, maintenance mode %v", err, took, both())
		}
		l.wantSteps("step passing", "step critical", "step passing", "step critical")
	})
}
