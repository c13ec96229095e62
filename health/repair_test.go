package health

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

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
		if view := l.s.Snapshot(); view.Trouble == "" || view.Sidecar.Status != Critical || view.Failed == 0 || view.Failed != view.Writes {
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

// TestAgentRestartsUnderAWrite: what the earlier agent acknowledged is written again.
func TestAgentRestartsUnderAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		<-l.ready
		time.Sleep(time.Second)
		l.agent.set(func() { l.agent.lag = 20 * time.Millisecond })
		before := len(l.agent.log())
		l.s.EnvoyUp()
		l.s.AppUp()
		time.Sleep(30 * time.Millisecond) // taken, not yet acknowledged
		l.s.AgentUp()
		time.Sleep(time.Second)
		if n := len(l.agent.log()) - before; n != 3 { // it, again, and the one that forces
			t.Errorf("%d writes, want 3", n)
		}
		l.down()
	})
}

// TestRenew: another token is registered with once, between two writes, and every status is
// written again under it; nothing turns meanwhile, and after a stop there is none.
func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil)
		l.up()
		before := len(l.agent.log())
		l.s.Renew()
		l.within(50*time.Millisecond, "renewed", func() bool { return l.renewals() == 1 && len(l.agent.log()) > before })
		time.Sleep(time.Minute)
		if n, again := l.renewals(), l.assertions(); n != 1 || again != 0 {
			t.Errorf("renewed %d times and registered again %d times, want 1 and 0", n, again)
		}
		l.wantSteps("step passing")
		for _, a := range l.agent.log()[before:] {
			if a.status != "passing" {
				t.Errorf("%s was set %s", a.id, a.status)
			}
		}
		l.down()
		l.s.Renew()
		time.Sleep(time.Minute)
		if n := l.renewals(); n != 1 {
			t.Errorf("renewed %d times, the last after the stop", n)
		}
	})
}
